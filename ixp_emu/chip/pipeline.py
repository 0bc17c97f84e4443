"""How numba compiles the engine: callees become IR only, each kernel is optimised and made native once.

As numba comes, every compiled function is a library of its own that is linked with all it calls, optimised and made
machine code, and then again inside each of its callers. The engine is some 200 small functions several calls deep, so
most of the compilation would go with code that nobody runs. Here a callee ends as the unoptimised IR of its own body,
and a kernel links everything it reaches. The engine needs few of numba's passes over a function either: no closures,
no array expressions, no branches pruned by types.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import gc
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import llvmlite.ir as llvmir
from numba.core import funcdesc
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, Flags, _LowerResult
from numba.core.compiler_machinery import CompilerPass, LoweringPass
from numba.core.runtime.nrt import rtsys
from numba.core.typed_passes import (
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.types import Dispatcher, Function, Integer, IntegerLiteral, int64, uint64
from numba.core.typing.context import Context
from numba.core.untyped_passes import FixupArgs, GenericRewrites, IRProcessing, ReconstructSSA, TranslateByteCode

from ixp_emu.chip.lowering import CalleeLower, KernelLower

__all__ = ["CalleeCompiler", "KernelCache", "KernelCompiler", "Progress", "watch_compilation"]


class Progress(NamedTuple):
    """How far the compilation of a kernel is."""

    kernel: str
    functions: int
    """Compiled so far."""
    optimising: bool
    """All of them are linked and become machine code now."""
    seconds: float
    finished: bool


_watchers: list[Callable[[Progress], None]] = []
_under_way: list[Progress] = []


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


@contextlib.contextmanager
def watch_compilation(call: Callable[[Progress], None]) -> Iterator[None]:
    """While the context lasts, ``call`` learns of each function and each kernel that is compiled."""
    _watchers.append(call)
    try:
        yield
    finally:
        _watchers.remove(call)


def _report(progress: Progress) -> None:
    for call in _watchers:
        call(progress)


class _CalleeLibrary(JITCodeLibrary):  # type: ignore[misc]
    """The IR of one function and the libraries of those it calls; never machine code."""

    def add_llvm_module(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout
        self._final_module.link_in(ll_module)

    def finalize(self) -> None:
        self._finalized = True


class _KernelLibrary(JITCodeLibrary):  # type: ignore[misc]
    """A kernel with everything it reaches."""

    def finalize(self) -> None:
        self._linking_libraries: list[Any] = _reached(self._linking_libraries)
        if _under_way:
            _report(_under_way[-1]._replace(optimising=True))
        super().finalize()

    def _optimize_final_module(self) -> None:
        passes, builder = self._codegen._module_pass_manager()  # no cheaper ones before: nothing here counts references
        passes.run(self._final_module, builder)


def _reached(libraries: list[Any]) -> list[Any]:
    """All libraries that these call, callers before callees: the linker takes a function only once it is called."""
    order: list[Any] = []
    seen: set[int] = set()

    def visit(library: Any) -> None:
        if id(library) in seen:
            return
        seen.add(id(library))
        for callee in reversed(library._linking_libraries) if isinstance(library, _CalleeLibrary) else ():
            visit(callee)
        order.append(library)

    for library in reversed(libraries):
        visit(library)
    return order[::-1]


class _CalleeLowering(LoweringPass):  # type: ignore[misc]
    """Lower a function to IR for its callers; Python cannot call it."""

    _name = "callee_lowering"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        context = state.targetctx
        codegen = context.codegen()
        library = _CalleeLibrary(codegen, state.func_id.func_qualname)
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
        lower = CalleeLower(context, library, description, state.func_ir, metadata=state.metadata)
        with lower.context.push_code_library(library):
            lower.lower()

        entry = {}.update  # type: ignore[var-annotated]  # numba wants a builtin; this one refuses the arguments it gets
        state["cr"] = _LowerResult(description, lower.call_helper, cfunc=entry, env=lower.env)
        if _under_way:
            _under_way[-1] = _under_way[-1]._replace(functions=_under_way[-1].functions + 1)
            _report(_under_way[-1])
        return True


class _KernelLowering(NativeLowering):  # type: ignore[misc]
    """Numba's own lowering into a library that links everything it reaches."""

    _name = "kernel_lowering"
    lowering_class = KernelLower

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        state.library = _KernelLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return bool(super().run_pass(state))


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


class _KernelFile(CompileResultCacheImpl):  # type: ignore[misc]
    """What is kept of a kernel: its machine code. Numba would keep its IR too, for functions that call it."""

    def reduce(self, cres: Any) -> Any:
        (name, kind, (machine_code, _)), *rest = cres._reduce()
        description = rest[0]
        module = llvmir.Module(name)
        module.triple = llvm.get_process_triple()
        for defined in (
            description.llvm_func_name,
            description.llvm_cpython_wrapper_name,
            description.llvm_cfunc_wrapper_name,
        ):
            body = llvmir.Function(module, llvmir.FunctionType(llvmir.VoidType(), []), defined)
            llvmir.IRBuilder(body.append_basic_block()).ret_void()
        names = llvm.parse_assembly(str(module)).as_bitcode()
        environments_of_callees: tuple[()] = ()  # for Python exceptions, which kernels do not raise
        return (name, kind, (machine_code, names)), *rest[:-1], environments_of_callees


class KernelCache(FunctionCache):  # type: ignore[misc]
    """Numba's cache of a kernel; what it holds is loaded without all that numba needs to know for compiling."""

    _impl_class = _KernelFile

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


class _EngineCompiler(CompilerBase):  # type: ignore[misc]
    lowering: tuple[type[CompilerPass], ...]

    def __init__(
        self, typingctx: Any, targetctx: Any, library: Any, args: Any, return_type: Any, flags: Any, locals: Any
    ) -> None:
        super().__init__(typingctx, targetctx, library, args, return_type, _fixed(flags), locals)
        self.state.typingctx = _remembering(typingctx)

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
                    *self.lowering,
                    NoPythonBackend,
                ]
            )
        ]


class CalleeCompiler(_EngineCompiler):
    """For functions that kernels call."""

    lowering = (_CalleeLowering,)


class KernelCompiler(_EngineCompiler):
    """For functions that Python calls."""

    lowering = (IRLegalization, _KernelLowering)

    def compile_extra(self, func: Callable[..., Any]) -> Any:
        begin = time.perf_counter()
        _under_way.append(Progress(func.__name__, 0, optimising=False, seconds=0.0, finished=False))
        _report(_under_way[-1])
        try:
            with _no_garbage_collection():
                result = super().compile_extra(func)
            _report(_under_way[-1]._replace(seconds=time.perf_counter() - begin, finished=True))
        finally:
            _under_way.pop()
        return result
