"""Functions that Numba compiles, and the folder in which it finds them compiled.

:func:`kernel` marks what Python calls, :func:`helper` what only kernels call. Compiling is expensive (a tenth of a
second of a processor for a short function), so the machine code of kernels is kept on disk, and what makes compiling
expensive is left out: no wrapper for callers in C, none for Python where only kernels call, and no copy of helpers on
disk, which are part of the kernels that call them.

What is kept is found by what it was made from: the byte code and the constants of a kernel and of all that it calls,
the types of the arguments, the versions of Python, Numba and llvmlite, and the processor. So no file is ever stale, and
nodes of a cluster with different processors may share a folder. (Numba's own cache asks for the file of the kernel
alone, and so goes on using what a changed helper was compiled into.)
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType, FunctionType
from typing import Any, ParamSpec, TypeVar, cast

import llvmlite
import numba
import numpy as np
from numba.core import types
from numba.core.codegen import JITCodeLibrary, JITCPUCodegen
from numba.core.compiler import CompilerBase, CompileResult, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager
from numba.core.dispatcher import Dispatcher
from numba.core.registry import CPUDispatcher
from numba.core.serialize import dumps

from . import compiling, kept

config: Any = numba.config
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
#: What machine code depends on besides the source and the processor.
VERSIONS = (sys.implementation.cache_tag, numba.__version__, llvmlite.__version__, np.__version__)
#: Passes of Numba's for closures, ``with``, ``literally`` and array expressions; each is a walk through the function.
NOT_NEEDED = {
    "WithLifting",
    "InlineClosureLikes",
    "RewriteSemanticConstants",
    "DeadBranchPrune",
    "RewriteDynamicRaises",
    "MakeFunctionToJitFunction",
    "FindLiterallyCalls",
    "LiteralUnroll",
    "LiteralPropagationSubPipelinePass",
    "InlineOverloads",
    "NopythonRewrites",
    "DumpParforDiagnostics",
}


def kernel(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Compile a function that is called from Python, when it first is, and keep it on disk."""
    return function if config.DISABLE_JIT else cast("Callable[Arguments, Result]", _Kernel(function))


def helper(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Compile a function that kernels call, into each of them; for Python (tests) it is compiled once more."""
    return function if config.DISABLE_JIT else cast("Callable[Arguments, Result]", _Helper(function))


def inlined(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Put the body of a short function wherever a kernel calls it."""
    return cast("Callable[Arguments, Result]", numba.njit(inline="always")(function))


class _Compiled(CPUDispatcher):  # type: ignore[misc]
    """A dispatcher that compiles less than Numba's own."""

    def __init__(self, function: Any, pipeline: type[CompilerBase], **options: bool) -> None:
        options |= {"nopython": True, "nogil": True, "no_cfunc_wrapper": True}
        super().__init__(function, targetoptions=options, pipeline_class=pipeline)

    def get_call_template(self, arguments: Any, keywords: Any) -> Any:
        """Say what the function is when called by a compiled one: the same for 1 as for any other integer."""
        return super().get_call_template(tuple(types.unliteral(kind) for kind in arguments), keywords)


class _Kernel(_Compiled):
    """A function that Python calls."""

    def __init__(self, function: Any) -> None:
        super().__init__(function, _Compiler)
        self._cache = _KernelCache(function)


class _Helper(_Compiled):
    """A helper; without a wrapper Numba would jump to the address 0 where Python calls it."""

    def __init__(self, function: Any) -> None:
        super().__init__(function, _HelperCompiler, no_cpython_wrapper=True)

    def __call__(self, *arguments: Any) -> Any:
        return _for_python(self.py_func)(*arguments)


@cache
def _for_python(function: FunctionType) -> Any:
    return numba.njit(nogil=True)(function)


class _Compiler(CompilerBase):  # type: ignore[misc]
    """Numba's compiler without the passes for what kernels do not contain."""

    def define_pipelines(self) -> list[PassManager]:
        """Return the passes, as Numba's own compilers do."""
        lean = PassManager("kernel")
        for step, text in DefaultPassBuilder.define_nopython_pipeline(self.state).passes:
            if step.__name__ not in NOT_NEEDED:
                lean.add_pass(step, text)
        lean.finalize()
        return [lean]


class _HelperLibrary(JITCodeLibrary):  # type: ignore[misc]
    """The code of a helper, which is optimised and made into machine code in each kernel, and not for itself before."""

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    @property
    def codegen(self) -> Any:
        """Numba's, but for the address of what is not in memory."""
        return _Codegen(self._codegen)


class _Codegen:
    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, environment: Any) -> None:
        """Do nothing: without machine code a helper has no environment (kernels have theirs)."""


#: Whether the parts of Numba are there that are replaced for helpers; in another version helpers may just cost more.
KNOWN_PARTS = all(
    hasattr(JITCodeLibrary, name)
    for name in ("_optimize_functions", "_optimize_final_module", "_finalize_final_module", "_finalize_dynamic_globals")
) and hasattr(JITCPUCodegen, "set_env")


class _HelperCompiler(_Compiler):
    """A compiler that goes no further than kernels need it."""

    def __init__(self, typing: Any, target: Any, library: Any, *more: Any) -> None:
        if KNOWN_PARTS:
            library = _HelperLibrary(target.codegen(), "helper")
            library.enable_object_caching()
        super().__init__(typing, target, library, *more)


class _KernelCache:
    """What a dispatcher of Numba asks for compiled code and gives it to (the interface of its ``_Cache``)."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.digest: str | None = None

    @property
    def cache_path(self) -> str:
        """The folder, as Numba's statistics name it."""
        return str(kept.folders()[0]) if kept.folders() else ""

    def load_overload(self, signature: Any, target: Any) -> CompileResult | None:
        """Return the compiled function for the types of the arguments; None if it has to be compiled."""
        target.refresh()
        content = kept.read(self._name(signature, target.codegen()))
        if content is not None:
            try:
                return CompileResult._rebuild(target, *content)
            except Exception:  # a file that is damaged is made again
                pass
        compiling.announce()
        return None

    def save_overload(self, signature: Any, made: Any) -> None:
        """Keep a compiled function, unless it holds addresses of this process."""
        if not made.library.has_dynamic_globals:
            kept.write(self._name(signature, made.codegen), dumps(made._reduce()))

    def _name(self, signature: Any, codegen: Any) -> str:
        """Return the name of the file, which tells all that the machine code depends on."""
        if self.digest is None:
            self.digest = _digest(self.function)
        fields = [_fields(kind) for kind in signature]
        options = config.OPT, config.BOUNDSCHECK, config.DEBUGINFO_DEFAULT
        made_from = repr((self.digest, signature, fields, codegen.magic_tuple(), VERSIONS, options))
        return f"{self.function.__name__}-{hashlib.sha256(made_from.encode()).hexdigest()[:24]}"


def _fields(kind: Any) -> Any:
    """Return the names of the fields of a named tuple, which its type does not print."""
    fields = getattr(getattr(kind, "instance_class", None), "_fields", ())
    return fields, [_fields(part) for part in getattr(kind, "types", ())]


def _digest(function: FunctionType) -> str:
    """Return what identifies the source of a function and of all that it calls."""
    found: dict[str, list[str]] = {}
    _collect(function, found)
    return hashlib.sha256(repr(found).encode()).hexdigest()


def _collect(function: FunctionType, found: dict[str, list[str]]) -> None:
    name = f"{function.__module__}.{function.__qualname__}"
    if name in found:
        return
    parts = found[name] = []
    for code in _codes(function.__code__):
        parts += [code.co_code.hex(), repr((code.co_names, code.co_varnames, code.co_argcount))]
        parts += [repr(value) for value in code.co_consts if not isinstance(value, CodeType)]
        for used in code.co_names:
            value = function.__globals__.get(used)
            if isinstance(value, Dispatcher):
                parts.append(repr(sorted(value.targetoptions.items())))
                _collect(value.py_func, found)
            elif isinstance(value, (np.ndarray, np.generic)):
                parts.append(repr((used, value.dtype.str, np.shape(value), value.tobytes().hex())))
            elif isinstance(value, (bool, int, float, str, tuple)):
                parts.append(repr((used, value)))
            else:
                parts.append(repr((used, getattr(value, "__module__", None), getattr(value, "__qualname__", None))))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _codes(value)
