"""From numba's typed form of a function to LLVM IR, for the little that the engine consists of.

Numba's own lowering looks up an implementation for each operation among hundreds, makes an array structure of every
field of a record that is one, and counts references. The engine reads and writes numbers in records: those operations
are lowered here at once, everything else as numba does it. A function for kernels returns its value as a C function
would: nothing in the engine raises, so there is no status to look at after a call.
"""

from __future__ import annotations

import copy
import functools
import operator
from typing import Any, NamedTuple

import llvmlite.ir as llvmir
from numba.core import ir, types
from numba.core.callconv import CPUCallConv, create_error_model
from numba.core.cpu import CPUContext
from numba.core.lowering import Lower

__all__ = ["EngineLower", "engine_context"]

_ARITHMETIC = {
    operator.add: "add",
    operator.sub: "sub",
    operator.mul: "mul",
    operator.and_: "and_",
    operator.or_: "or_",
    operator.xor: "xor",
    operator.lshift: "shl",
}
_COMPARISONS = {
    operator.eq: "==",
    operator.ne: "!=",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
}
_INTEGER: Any = (types.Integer, types.IntegerLiteral)
_NUMBER: Any = (types.Integer, types.Float)


class _Field(NamedTuple):
    """An array within a record, as long as nothing but its elements is asked for."""

    owner: types.Record
    record: llvmir.Value
    name: str

    @property
    def type(self) -> Any:
        return self.owner.typeof(self.name)


class _NoStatus(CPUCallConv):  # type: ignore[misc]
    """Nothing raises, neither here (numba's ranges would if their step were 0) nor in a function of numba's own."""

    def return_user_exc(self, builder: Any, *args: Any, **kwargs: Any) -> None:
        builder.unreachable()

    def return_status_propagate(self, builder: Any, status: Any) -> None:
        builder.unreachable()


class _EngineContext(CPUContext):  # type: ignore[misc]
    @functools.cached_property
    def call_conv(self) -> CPUCallConv:
        return _NoStatus(self)


@functools.cache
def engine_context(context: CPUContext) -> _EngineContext:
    """A context that shares everything with a given one, but for statuses and counts of references."""
    twin = copy.copy(context)
    twin.__class__ = _EngineContext
    twin.enable_nrt = False
    twin.error_model = create_error_model("numpy", twin)
    return twin


def _declare(context: Any, module: llvmir.Module, description: Any) -> llvmir.Function:
    """A function that kernels call, as it stands in a module: it takes its arguments and returns its value."""
    known = module.globals.get(description.mangled_name)
    if known is not None:
        return known
    arguments = context.call_conv._get_arg_packer(description.argtypes).argument_types
    returned = context.data_model_manager[description.restype].get_return_type()
    function = llvmir.Function(module, llvmir.FunctionType(returned, arguments), description.mangled_name)
    context.apply_target_attributes(function, description.argtypes, description.restype)
    function.attributes.add("alwaysinline" if description.inline else "noinline")
    return function


class EngineLower(Lower):  # type: ignore[misc]
    """Lowers one function."""

    def init(self) -> None:
        super().init()
        self._fields: dict[str, _Field] = {}

    def emit_environment_object(self) -> None:
        """Numba keeps in it what exceptions refer to."""

    # --- a function

    def setup_function(self, fndesc: Any) -> None:
        self.function = _declare(self.context, self.module, fndesc)
        self.entry_block = self.function.append_basic_block("entry")
        self.builder = llvmir.IRBuilder(self.entry_block)
        self.call_helper = self.call_conv.init_call_helper(self.builder)

    def extract_function_arguments(self) -> Any:
        packer = self.call_conv._get_arg_packer(self.fndesc.argtypes)
        self.fnargs = packer.from_arguments(self.builder, self.function.args)
        return self.fnargs

    # --- variables

    def loadvar(self, name: str) -> Any:
        field = self._fields.get(name)
        if field is None:
            return super().loadvar(name)
        whole = self.context.get_getattr(field.owner, field.name)
        return whole(self.context, self.builder, field.owner, field.record, field.name)

    def storevar(self, value: Any, name: str, argidx: int | None = None) -> None:
        if name in self._singly_assigned_vars:
            self._blk_local_varmap[name] = value
        else:
            self.builder.store(value, self.getvar(name))

    def _number(self, variable: ir.Var, wanted: Any) -> Any:
        """A variable's value as another type."""
        value = self.loadvar(variable.name)
        given: Any = self.typeof(variable.name)
        if given == wanted:
            return value
        if not (isinstance(given, _INTEGER) and isinstance(wanted, _INTEGER)):
            return self.context.cast(self.builder, value, given, wanted)
        source: Any = given.literal_type if isinstance(given, types.IntegerLiteral) else given
        if source.bitwidth == wanted.bitwidth:
            return value
        kind = llvmir.IntType(wanted.bitwidth)
        if source.bitwidth > wanted.bitwidth:
            return self.builder.trunc(value, kind)
        return self.builder.sext(value, kind) if source.signed else self.builder.zext(value, kind)

    # --- assignments

    def lower_assign(self, ty: types.Type, inst: ir.Assign) -> Any:
        value = inst.value
        if isinstance(value, (ir.Const, ir.Global, ir.FreeVar)):
            if isinstance(ty, types.Callable):
                return self.context.get_dummy_value()
            if isinstance(ty, _INTEGER):
                return llvmir.Constant(self.context.get_value_type(ty), int(value.value))
        return super().lower_assign(ty, inst)

    def lower_binop(self, resty: types.Type, expr: ir.Expr, op: Any) -> Any:
        signature = self.fndesc.calltypes[expr]
        left, right = signature.args
        if left == right and left in (types.int64, types.uint64):
            result = signature.return_type
            if result == left == resty and (op in _ARITHMETIC or op is operator.rshift):
                name = _ARITHMETIC.get(op) or ("ashr" if left.signed else "lshr")
                return getattr(self.builder, name)(self._number(expr.lhs, left), self._number(expr.rhs, right))
            if result == resty == types.boolean and op in _COMPARISONS:
                compare = self.builder.icmp_signed if left.signed else self.builder.icmp_unsigned
                return compare(_COMPARISONS[op], self._number(expr.lhs, left), self._number(expr.rhs, right))
        return super().lower_binop(resty, expr, op)

    # --- records

    def lower_expr(self, resty: types.Type, expr: ir.Expr) -> Any:
        if expr.op == "getattr":
            owner = self.typeof(expr.value.name)
            if (
                isinstance(owner, types.Record)
                and isinstance(kind := owner.typeof(expr.attr), _NUMBER)
                and kind == resty
            ):
                return self.builder.load(self._member(owner, self.loadvar(expr.value.name), expr.attr, kind))
        return super().lower_expr(resty, expr)

    def _member(self, owner: types.Record, record: Any, name: str, kind: types.Type) -> Any:
        """Pointer to a field of a record, which is aligned."""
        self.context.sentry_record_alignment(owner, name)
        zero, offset = (llvmir.Constant(llvmir.IntType(32), number) for number in (0, owner.offset(name)))
        place = self.builder.gep(record, [zero, offset], inbounds=True)
        return self.builder.bitcast(place, self.context.get_data_type(kind).as_pointer())

    def _element(self, array: ir.Var, index: ir.Var) -> Any:
        """Pointer to an element of a field that is an array; None for other arrays and for signed indices."""
        field = self._fields.get(array.name)
        if field is None:
            return None
        kind, given = field.type, self.typeof(index.name)
        if kind.ndim != 1 or not isinstance(given, _INTEGER):
            return None
        if given.literal_value < 0 if isinstance(given, types.IntegerLiteral) else given.signed:
            return None
        first = self._member(field.owner, field.record, field.name, kind.dtype)
        return self.builder.gep(first, [self._number(index, types.uint64)], inbounds=True)

    def lower_getitem(self, resty: types.Type, expr: Any, value: ir.Var, index: ir.Var, signature: Any) -> Any:
        place = self._element(value, index) if signature.return_type == resty else None
        if place is None:
            return super().lower_getitem(resty, expr, value, index, signature)
        if isinstance(resty, types.Record):
            return place
        return self.context.unpack_value(self.builder, resty, place)

    def lower_setitem(self, target_var: ir.Var, index_var: ir.Var, value_var: ir.Var, signature: Any) -> Any:
        field = self._fields.get(target_var.name)
        place = self._element(target_var, index_var) if field and isinstance(field.type.dtype, _NUMBER) else None
        if field is None or place is None:
            return super().lower_setitem(target_var, index_var, value_var, signature)
        return self.builder.store(self._number(value_var, field.type.dtype), place)

    def lower_inst(self, inst: Any) -> None:
        if isinstance(inst, ir.Assign):
            value, name = inst.value, inst.target.name
            if isinstance(value, ir.Expr) and value.op == "getattr" and name in self._singly_assigned_vars:
                owner = self.typeof(value.value.name)
                if isinstance(owner, types.Record) and isinstance(owner.typeof(value.attr), types.NestedArray):
                    self._fields[name] = _Field(owner, self.loadvar(value.value.name), value.attr)
                    return
            self.storevar(self.lower_assign(self.typeof(name), inst), name)
            return
        if isinstance(inst, ir.Return):
            value = self.loadvar(inst.value.name)
            self.builder.ret(self.context.get_return_value(self.builder, self.fndesc.restype, value))
            return
        if isinstance(inst, ir.SetAttr):
            owner = self.typeof(inst.target.name)
            if isinstance(owner, types.Record) and isinstance(kind := owner.typeof(inst.attr), _NUMBER):
                value = self._number(inst.value, kind)
                self.builder.store(value, self._member(owner, self.loadvar(inst.target.name), inst.attr, kind))
                return
        super().lower_inst(inst)

    # --- calls

    def _lower_call_normal(self, fnty: types.Type, expr: ir.Expr, signature: Any) -> Any:
        if not isinstance(fnty, types.Dispatcher):
            return super()._lower_call_normal(fnty, expr, signature)
        callee = fnty.dispatcher.overloads[signature.args]
        self.context.add_linking_libs([callee.library])
        function = _declare(self.context, self.module, callee.fndesc)
        values = self.fold_call_args(fnty, signature, expr.args, expr.vararg, expr.kws)
        packed = self.call_conv._get_arg_packer(signature.args).as_arguments(self.builder, values)
        returned = self.builder.call(function, packed)
        return self.context.get_returned_value(self.builder, signature.return_type, returned)
