"""What a run is asked to do: options, and recipes that hold them."""
