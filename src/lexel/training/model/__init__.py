"""The trained model: an encoder with heads, and the methods that choose or add weights."""
