"""The options of the commands, a dataclass a group, so that every command spells them alike.

Each option can be set by a ``LEXEL_*`` variable; what is said on the command line wins. The choices repeat the tables
of rooms that are too heavy to import before arguments are parsed; a test compares them.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from typing import Annotated, Any, Literal, get_args, get_type_hints

import typer

from lexel.names import Pieces as PiecesName

_MODEL, _INPUT, _OUTPUT, _READING, _COMPUTING, _TALKING = "Model", "Input", "Output", "Reading", "Computing", "Messages"

EngineName = Literal["auto", "openvino", "onnxruntime", "torch", "numpy"]
PrecisionName = Literal["auto", "float32", "bf16", "int8", "float16", "float64"]
DecodeName = Literal["viterbi", "argmax"]
SnapName = Literal["grapheme"]
OffsetsName = Literal["char", "utf16", "byte"]
ScriptName = Literal["simplified", "traditional", "as-is"]
InputFormat = Literal["text", "segmented", "conll", "conllu", "jsonl", "csv", "tsv", "parquet"]
OnErrorName = Literal["stop", "skip", "repair"]
OutputFormat = Literal["text", "segmented", "conll", "conllu", "jsonl", "csv", "tsv", "parquet", "html", "terminal"]


def option(name: str, *others: str, panel: str, help: str, value: str = "", **more: Any) -> Any:
    """An option that a variable can set: ``--batch-pieces`` by ``LEXEL_BATCH_PIECES``."""
    variable = "LEXEL" + name.partition("/")[0].removeprefix("-").replace("-", "_").upper()
    return typer.Option(
        name,
        *others,
        envvar=variable,
        show_envvar=False,
        show_default=False,
        metavar=value,
        help=help,
        rich_help_panel=panel,
        **more,
    )


def choices(names: Any) -> str:
    """The names of a ``Literal``, for the help."""
    return ", ".join(get_args(names))


def format_option(names: Any, *, otherwise: str = "by the ending of --out, else as said above") -> Any:
    """``--to`` with the formats of a command."""
    return option("--to", panel=_OUTPUT, value="FORMAT", help=f"{choices(names)}. If not given: {otherwise}.")


# Options that stand in several groups ---------------------------------------------------------------------------------

Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILES", help="Files to read, also .gz, .xz, .bz2, .zst; - or nothing is standard input."),
]
ModelName = Annotated[
    str | None,
    option("--model", "-m", panel=_MODEL, value="MODEL", help="A folder or hub id; else the bundled model."),
]
ModelRevision = Annotated[
    str | None,
    option("--revision", panel=_MODEL, value="REV", help="Branch, tag or commit of --model, if on the hub."),
]


def _demand_lock(is_asked: bool) -> bool:
    """Have every model of this process be one of the lock file's."""
    if is_asked:
        os.environ["LEXEL_LOCKED"] = "1"
    return is_asked


Locked = Annotated[
    bool,
    option("--locked", panel=_MODEL, callback=_demand_lock, help="Refuse models that are not as lexel.lock has them."),
]
Expect = Annotated[
    str | None,
    option(
        "--expect",
        panel=_MODEL,
        value="A,B,...",
        help="The labels that results must hold, or a mapping file (.json); refuse a model with others.",
    ),
]
Pieces = Annotated[
    PiecesName | None,
    option("--pieces", panel=_MODEL, value="KIND", help=f"What it reads: {choices(PiecesName)}; to overrule."),
]
Encoding = Annotated[
    str, option("--encoding", panel=_INPUT, value="NAME", help="utf-8 if not given; output is always UTF-8.")
]
TextColumn = Annotated[
    str,
    option(
        "--text-column",
        "--text-field",
        panel=_INPUT,
        value="NAME",
        help="Column of the text in tables and JSON; text if not given.",
    ),
]
IdColumn = Annotated[
    str, option("--id-column", panel=_INPUT, value="NAME", help="Column of a record's name; id if not given.")
]
MaxChars = Annotated[int | None, option("--max-chars", panel=_INPUT, value="N", min=1, help="Refuse longer records.")]
OnError = Annotated[
    OnErrorName,
    option(
        "--on-error",
        panel=_INPUT,
        value="RULE",
        help="Records that cannot be read: stop, if not given; skip and count them; or repair what can be.",
    ),
]
Out = Annotated[
    str | None,
    option("--out", "-o", panel=_OUTPUT, value="FILE", help="Write here; the file appears when it is whole."),
]
Offsets = Annotated[
    OffsetsName,
    option(
        "--offsets", panel=_OUTPUT, value="UNIT", help=f"What offsets count: {choices(OffsetsName)}; char if not given."
    ),
]
LineBuffered = Annotated[
    bool, option("--line-buffered", panel=_OUTPUT, help="Answer each record before reading the next; slower.")
]
Ignore = Annotated[
    str | None,
    option("--ignore", panel=_READING, value="A,B,...", help="Leave out entities with these labels."),
]
Script = Annotated[
    ScriptName,
    option(
        "--script",
        panel=_READING,
        value="NAME",
        help=f"Chinese that the model reads: {choices(ScriptName)}; text is converted for it, offsets stay.",
    ),
]
Revision = Annotated[
    str | None, option("--revision", panel="Options", value="REV", help="Branch, tag or commit, if on the hub.")
]


# Groups ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Which checkpoint to read with."""

    model: ModelName = None
    revision: ModelRevision = None
    words: Annotated[
        str | None, option("--words", panel=_MODEL, value="MODEL", help="A checkpoint of its own for words.")
    ] = None
    expect: Expect = None
    locked: Locked = False


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """Which checkpoint to read with, for commands that need no labels of it."""

    model: ModelName = None
    revision: ModelRevision = None
    pieces: Pieces = None
    locked: Locked = False


@dataclass(frozen=True, slots=True)
class HeadOptions(EncoderOptions):
    """Which checkpoint to read with, and which of its heads."""

    head: Annotated[
        str | None, option("--head", panel=_MODEL, value="NAME", help="Which head, where a model has several.")
    ] = None


@dataclass(frozen=True, slots=True)
class LayerOptions:
    """Separate checkpoints for the other layers."""

    pos: Annotated[
        str | None, option("--pos", panel=_MODEL, value="MODEL", help="A checkpoint of its own for tags.")
    ] = None
    entities: Annotated[
        str | None, option("--entities", panel=_MODEL, value="MODEL", help="A checkpoint of its own for entities.")
    ] = None


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """What to believe of a checkpoint, where it says too little."""

    scheme: Annotated[
        str | None,
        option("--scheme", panel=_MODEL, value="NAME", help="Scheme of its labels (BIO, BMES, ...), to overrule."),
    ] = None
    labels: Annotated[
        str | None,
        option("--labels", panel=_MODEL, value="A,B,...", help="Its labels in order of its outputs, to overrule."),
    ] = None
    pieces: Pieces = None


@dataclass(frozen=True, slots=True)
class InputOptions:
    """How the input is read."""

    from_: Annotated[
        InputFormat | None,
        option(
            "--from",
            panel=_INPUT,
            value="FORMAT",
            help=f"{choices(InputFormat)}. If not given: by the ending, else text, a record a line.",
        ),
    ] = None
    text_column: TextColumn = "text"
    id_column: IdColumn = "id"
    encoding: Encoding = "utf-8"
    max_chars: MaxChars = None
    on_error: OnError = "stop"


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Where results go, and in which format."""

    to: Annotated[OutputFormat | None, format_option(OutputFormat)] = None
    out: Out = None
    keep: Annotated[
        str,
        option(
            "--keep",
            panel=_OUTPUT,
            value="NAMES",
            help="Other columns that come back: all, if not given; none; or their names, A,B,...",
        ),
    ] = "all"
    offsets: Offsets = "char"
    line_buffered: LineBuffered = False


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How scores become words."""

    decode: Annotated[
        DecodeName,
        option(
            "--decode",
            panel=_READING,
            value="RULE",
            help="viterbi, the best valid labels, if not given; or argmax, the best label of each piece.",
        ),
    ] = "viterbi"
    lexicon: Annotated[
        str | None,
        option("--lexicon", panel=_READING, value="FILE", help="Words whose boundaries are forced or preferred."),
    ] = None
    snap: Annotated[
        SnapName | None,
        option(
            "--snap",
            panel=_READING,
            value="UNIT",
            help="grapheme: keep emoji with joiners, flags and letters with marks in one word and one entity.",
        ),
    ] = None
    script: Script = "as-is"


@dataclass(frozen=True, slots=True)
class TagOptions:
    """How words, tags and entities fit together."""

    given_words: Annotated[
        bool, option("--given-words", panel=_READING, help="Keep the words of the input, and tag these.")
    ] = False
    entities_on_words: Annotated[
        bool, option("--entities-on-words", panel=_READING, help="Widen entities to whole words.")
    ] = False
    min_score: Annotated[
        float | None,
        option(
            "--min-score",
            panel=_READING,
            value="SCORE",
            min=0,
            max=1,
            help="Leave out entities with a lower score; the model's own least score if not given, 0 for all.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class ComputeOptions:
    """What computes."""

    engine: Annotated[
        EngineName,
        option(
            "--engine",
            panel=_COMPUTING,
            value="NAME",
            help=f"{choices(EngineName)}; auto: openvino, or onnxruntime for an exported folder.",
        ),
    ] = "auto"
    precision: Annotated[
        PrecisionName,
        option(
            "--precision",
            panel=_COMPUTING,
            value="NAME",
            help=f"{choices(PrecisionName)}; auto: int8 if the model has it, else bf16 where native, else float32.",
        ),
    ] = "auto"
    threads: Annotated[
        int | None,
        option("--threads", panel=_COMPUTING, value="N", min=1, help="All physical cores if not given."),
    ] = None
    device: Annotated[
        str | None,
        option("--device", panel=_COMPUTING, value="NAME", help="cpu, cuda, cuda:N, or several: cuda:0,cuda:1."),
    ] = None
    batch_pieces: Annotated[
        int | None,
        option("--batch-pieces", panel=_COMPUTING, value="N", min=1, help="Most pieces computed at once."),
    ] = None

    @property
    def loading(self) -> dict[str, Any]:
        """The same as what every ``load`` takes."""
        return {field.name: getattr(self, field.name) for field in fields(ComputeOptions)}


@dataclass(frozen=True, slots=True)
class MessageOptions:
    """What is said on standard error."""

    quiet: Annotated[bool, option("--quiet", "-q", panel=_TALKING, help="Say nothing but errors.")] = False
    debug: Annotated[bool, option("--debug", panel=_TALKING, help="Show where an error comes from.")] = False


def grouped(function: Callable[..., None]) -> Callable[..., None]:
    """Let a command take dataclasses of options: to typer, their fields are the command's own parameters."""
    groups: dict[str, Any] = {}
    flat: list[inspect.Parameter] = []
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        group = parameter.annotation
        if is_dataclass(group):
            groups[parameter.name] = group
            hints = get_type_hints(group, include_extras=True)
            flat += [
                inspect.Parameter(
                    field.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty if field.default is MISSING else field.default,
                    annotation=hints[field.name],
                )
                for field in fields(group)
            ]
        else:
            flat.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(function)
    def command(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        function(**values)

    vars(command)["__signature__"] = inspect.Signature(flat)
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    return command
