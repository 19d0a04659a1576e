"""Which layer of a frozen encoder holds a property."""
