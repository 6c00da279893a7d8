"""What is compressed: signals, their modalities and data sets."""
