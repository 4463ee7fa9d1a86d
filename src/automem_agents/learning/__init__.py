"""What memory learns from: signals, attribution, credit; what it learns with, and when it may rule."""
