"""Label some structures of a set one after the other.

AiiDA resumes a WorkChain when everything it waits for is done, so that batches of N would idle until the slowest
of each batch is through. N lanes, each with every N-th structure, keep N relaxations running until the end.
"""

from __future__ import annotations

from aiida.common import AttributeDict
from aiida.orm import Int, List, to_aiida_type

from .checked import CheckedSpec, CheckedWorkChain, while_
from .label_inputs import validate_inputs
from .label_structure import LabelStructureWorkChain


class LabelLaneWorkChain(CheckedWorkChain):
    """One of the lanes of :class:`~aiida_dismai.workchains.label.LabelWorkChain`; it never fails itself."""

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports and outline."""
        super().define(spec)
        spec.expose_inputs(LabelStructureWorkChain, exclude=("index",))
        spec.input("indices", valid_type=List, serializer=to_aiida_type, help="Which structures, in this order.")
        spec.inputs.validator = validate_inputs
        spec.outline(cls.setup, while_(cls.has_more)(cls.run_next))

    def setup(self) -> None:
        """Begin with the first structure."""
        self.ctx.launched = 0

    def has_more(self) -> bool:
        """Whether there are structures left."""
        return bool(self.ctx.launched < len(self.inputs.indices))

    def run_next(self) -> None:
        """Relax the next structure; whether it succeeds is for the parent to look at."""
        index = self.inputs.indices[self.ctx.launched]
        inputs = AttributeDict(self.exposed_inputs(LabelStructureWorkChain))
        inputs.index = Int(index)
        inputs.metadata = {"call_link_label": f"structure_{index:05d}", "label": f"structure {index}"}
        self.ctx.launched += 1
        self.to_context(**{f"structure_{index:05d}": self.submit(LabelStructureWorkChain, **inputs)})
