"""What the product says itself, one file a language."""
