"""What represents a signal: coordinate embeddings, SIREN layers and modulations, in Keras."""
