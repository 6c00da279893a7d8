"""The inner loop: fitting one signal's code in a few MetaSGD steps."""
