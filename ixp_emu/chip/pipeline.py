"""How numba compiles the engine: a function becomes the IR of its own body, a kernel is made native with what it calls.

As numba comes, every compiled function is a library of its own that is linked with all it calls, optimised and made
machine code, and then again inside each of its callers. The engine is some 200 small functions several calls deep, so
most of the compilation would go with code that nobody runs. Here only a kernel becomes machine code. The engine needs
few of numba's passes over a function either: no closures, no array expressions, no branches pruned by types.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import config, njit, typeof
from numba.core import funcdesc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, Flags, _LowerResult
from numba.core.compiler_machinery import CompilerPass, LoweringPass
from numba.core.registry import cpu_target
from numba.core.typed_passes import NoPythonBackend, NopythonTypeInference, PreLowerStripPhis
from numba.core.types import Dispatcher, Function, Integer, IntegerLiteral, int64, none, uint64
from numba.core.typing.context import Context
from numba.core.untyped_passes import FixupArgs, GenericRewrites, IRProcessing, ReconstructSSA, TranslateByteCode
from numba.extending import intrinsic, typeof_impl

from ixp_emu.chip import primitives
from ixp_emu.chip.compiled import Callee, Primitive
from ixp_emu.chip.lowering import EngineLower, engine_context
from ixp_emu.chip.machine_code import SYMBOL
from ixp_emu.chip.progress import Progress, report

__all__ = ["compile_kernel"]

config.LOOP_VECTORIZE = 0  # the loops are short: vector code for them costs more than it saves

_under_way: list[Progress] = []

_RARE: set[Callable[..., Any]] = set()
"""Functions of rare callees."""


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """What a compilation makes lives until its end: every look for garbage in between is in vain."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Library(JITCodeLibrary):  # type: ignore[misc]
    """The IR of one function and the libraries of those it calls; never machine code."""

    def add_llvm_module(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout
        self._final_module.link_in(ll_module)

    def finalize(self) -> None:
        self._finalized = True


def _reached(libraries: list[Any]) -> list[Any]:
    """All libraries that these call, callers before callees: the linker takes a function only once it is called."""
    order: list[Any] = []
    seen: set[int] = set()

    def visit(library: Any) -> None:
        if id(library) in seen:
            return
        seen.add(id(library))
        for callee in reversed(library._linking_libraries) if isinstance(library, _Library) else ():
            visit(callee)
        order.append(library)

    for library in reversed(libraries):
        visit(library)
    return order[::-1]


class _Lowering(LoweringPass):  # type: ignore[misc]
    """Lower a function to the IR of its own body."""

    _name = "engine_lowering"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        context = state.targetctx
        codegen = context.codegen()
        library = _Library(codegen, state.func_id.func_qualname)
        state.library = library
        description = funcdesc.PythonFunctionDescriptor.from_specialized_function(
            state.func_ir,
            state.typemap,
            state.return_type,
            state.calltypes,
            mangler=context.mangler,
            inline=state.flags.forceinline,
            noalias=state.flags.noalias,
            abi_tags=[state.flags.get_mangle_string()],
        )
        lower = EngineLower(context, library, description, state.func_ir, metadata=state.metadata)
        with context.push_code_library(library):
            lower.lower()
        if state.func_id.func in _RARE:
            lower.function.attributes.add("cold")

        entry = {}.update  # type: ignore[var-annotated]  # numba wants a builtin; this one refuses the arguments it gets
        state["cr"] = _LowerResult(description, lower.call_helper, cfunc=entry, env=lower.env)
        if _under_way:
            _under_way[-1] = _under_way[-1]._replace(functions=_under_way[-1].functions + 1)
            report(_under_way[-1])
        return True


def _is_narrow(kind: Any) -> bool:
    return isinstance(kind, (Integer, IntegerLiteral)) and kind not in (int64, uint64)


class _TypingContext(Context):  # type: ignore[misc]
    """Numba's typing context, which remembers what a function gives for arguments of given types.

    A function of the engine takes integers of less than 64 bits as int64, so that it is compiled once for all.
    """

    def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
        if kws or not isinstance(func, (Function, Dispatcher)):
            return super().resolve_function_type(func, args, kws)
        if isinstance(func, Dispatcher):
            args = tuple(int64 if _is_narrow(one) else one for one in args)
        known = self._known.get((func, args))
        if known is None:
            known = self._known[func, args] = super().resolve_function_type(func, args, kws)
        return known


@functools.cache
def _remembering(context: Context) -> _TypingContext:
    """A context that shares everything with a given one."""
    twin = copy.copy(context)
    twin.__class__ = _TypingContext
    twin._known = {}
    return twin


class _Passes:
    """Some of numba's passes over a function, run without the accounts that numba keeps of each."""

    pipeline_name = "engine"

    def __init__(self, passes: list[type[CompilerPass]]) -> None:
        self._passes = [one() for one in passes]
        self.exec_times: dict[str, Any] = {}

    def run(self, state: Any) -> None:
        for one in self._passes:
            one.run_pass(state)


class _Flags(Flags):  # type: ignore[misc]
    """Flags that no longer change: numba compares them at every look into its caches of overloads."""

    def __init__(self, flags: Flags) -> None:
        super().__init__(flags)
        self._fixed = super().values()
        self._hash = super().__hash__()

    def copy(self) -> _Flags:
        return self

    def values(self) -> Any:
        return self._fixed

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or super().__eq__(other)


@functools.cache
def _fixed(flags: Flags) -> _Flags:
    return _Flags(flags)


class _EngineCompiler(CompilerBase):  # type: ignore[misc]
    def __init__(
        self, typingctx: Any, targetctx: Any, library: Any, args: Any, return_type: Any, flags: Any, locals: Any
    ) -> None:
        super().__init__(typingctx, targetctx, library, args, return_type, _fixed(flags), locals)
        self.state.typingctx = _remembering(typingctx)
        self.state.targetctx = engine_context(targetctx)

    def define_pipelines(self) -> list[_Passes]:
        return [
            _Passes(
                [
                    TranslateByteCode,
                    FixupArgs,
                    IRProcessing,
                    GenericRewrites,
                    ReconstructSSA,
                    NopythonTypeInference,
                    PreLowerStripPhis,
                    _Lowering,
                    NoPythonBackend,
                ]
            )
        ]


_INTRINSICS = {name: intrinsic(getattr(primitives, name)) for name in primitives.__all__}


def _dispatcher(function: Callable[..., Any], *, inlined: bool) -> Any:
    # said, because numba lets callees of an inlined function inherit its inlining
    return njit(error_model="numpy", forceinline=inlined, pipeline_class=_EngineCompiler)(function)


def _type_of_callee(callee: Callee, context: Any) -> Dispatcher:
    if callee.dispatcher is None:
        callee.dispatcher = _dispatcher(callee.py_func, inlined=callee.inlined)
        if callee.rare:
            _RARE.add(callee.py_func)
    return Dispatcher(callee.dispatcher)


def _type_of_primitive(primitive: Primitive, context: Any) -> Any:
    return cpu_target.typing_context.resolve_value_type(_INTRINSICS[primitive.name])


typeof_impl.register(Callee)(_type_of_callee)
typeof_impl.register(Primitive)(_type_of_primitive)


def _type_of_argument(argument: Any) -> Any:
    return typeof(argument) if isinstance(argument, (np.ndarray, np.void)) else int64


def compile_kernel(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes:
    """Object code of a function for such arguments: :data:`SYMBOL` takes the words of ``kernel.Kernel``.

    Raises:
        TypeError: the function returns neither an int64 nor nothing.
    """
    begin = time.perf_counter()
    _under_way.append(Progress(function.__name__, 0, optimising=False, seconds=0.0, finished=False))
    report(_under_way[-1])
    try:
        with _no_garbage_collection():
            dispatcher = _dispatcher(function, inlined=False)
            dispatcher.compile(tuple(map(_type_of_argument, arguments)))
            (result,) = dispatcher.overloads.values()
            if result.signature.return_type not in (int64, none):
                raise TypeError(f"{function.__name__} returns {result.signature.return_type}")
            report(_under_way[-1]._replace(optimising=True))
            code = _machine_code(result.library, result.fndesc.mangled_name)
        report(_under_way[-1]._replace(seconds=time.perf_counter() - begin, finished=True))
    finally:
        _under_way.pop()
    return code


def _machine_code(library: _Library, name: str) -> bytes:
    """A function with everything it reaches."""
    codegen = library._codegen
    module = library._final_module
    for callee in _reached([library])[1:]:
        module.link_in(callee._get_module_for_linking(), preserve=True)
    for function in module.functions:
        if not function.is_declaration:  # what only callers in here know can lose arguments that are always the same
            function.linkage = llvm.Linkage.internal
    entry = module.get_function(name)
    entry.name, entry.linkage = SYMBOL, llvm.Linkage.external
    passes, builder = codegen._module_pass_manager()  # no cheaper ones before: nothing here counts references
    passes.run(module, builder)
    module.verify()
    return bytes(codegen._tm.emit_object(module))
