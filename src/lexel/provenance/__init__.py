"""Records the inputs of a model that Lexel made: ``provenance.json`` and ``bom.json`` next to its weights, chained."""

from lexel.provenance.materials import Material, Step
from lexel.provenance.statement import base_material, chain_of, check_statement, folder_material, write_provenance

__all__ = ["Material", "Step", "base_material", "chain_of", "check_statement", "folder_material", "write_provenance"]
