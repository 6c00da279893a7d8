"""What leaves TensorFlow: ONNX decoders and codec bundles."""
