"""Finds out which layer of a frozen encoder holds a property."""
