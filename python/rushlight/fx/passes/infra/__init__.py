"""What runs passes."""
