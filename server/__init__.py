"""`mscn serve`: decoding, encoding and tiles over HTTP, without TensorFlow; see docs/server.md."""
