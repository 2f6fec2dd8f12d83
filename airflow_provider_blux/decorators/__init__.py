"""The decorators: a function whose records are pushed to Blux."""
