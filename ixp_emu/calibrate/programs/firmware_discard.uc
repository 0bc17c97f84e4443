// The other side of receive: takes descriptors from its ring and gives their buffers back. One context a microengine.

#include "builtin:lib/structures.uc"
#include "builtin:lib/identity.uc"
#include "builtin:lib/packet.uc"

.init_ctx 1
.structure engine_index element_bytes=4 count=8 align=8 access=read sharing=chip
.reg engine context ring
.reg read $frame[2]
.reg write $freed
.sig got, put_done
.state_xfer index[1] engine_index
    identify(engine, context)
    state_read[index, engine_index, engine, 0, 1]
    alu_shf[ring, --, B, index[0], <<2]
poll#:
    scratch[get, $frame[0], ring, (WORK_RING << 2), 2], structure[work_rings], ctx_swap[got]
    alu[--, --, B, $frame[0]]
    beq[poll#]
    ld_field_w_clr[$freed, 0011, $frame[0]]
    scratch[put, $freed, (FREE_RING << 2), 0, 1], structure[free_ring], ctx_swap[put_done]
    br[poll#]
