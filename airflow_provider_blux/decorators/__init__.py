"""The decorators: each makes a function a task that pushes its records to Blux."""
