"""The commands of `mscn`, one absl binary each."""
