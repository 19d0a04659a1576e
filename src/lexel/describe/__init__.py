"""Describes a model before its weights are loaded: its facts, memory, licence and cost."""
