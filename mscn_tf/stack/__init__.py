"""What differs between the versions of TensorFlow, Keras and their companions that are served."""
