"""Reading and writing `.mscn` files without TensorFlow; docs/format.md describes the bytes."""
