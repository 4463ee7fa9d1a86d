"""What ``latency.py`` is made of. Modules that peers' environments import need only the standard library and NumPy."""
