// Worker: packets of the chip's flows, one at a time in each flow, through the service.
//
// What the service finds in registers: flow, verdict; in macros: packet.uc, and its operations, which stand before this
// file in the program (docs/oboe.md, section 3).

#include "structures.uc"
#include "message.uc"
#include "../lib/identity.uc"
#ifdef ORDER_PINNED
#include "pinned.uc"
#else
#include "ordered.uc"
#endif

.reg @buffers @work_ring @egress @self @number         // the same for all contexts
.reg descriptor packet_at flow verdict

#include "packet.uc"
#include "flow_table.uc"
#include "epoch.uc"

.begin
.reg own number context value
.state_xfer index[1] engine_index
.state_xfer identity[3] chip_identity
    identify(own, context)
    state_read[identity, chip_identity, 0, 0, 3]
    alu[@egress, --, B, identity[IDENTITY_EGRESS]]
    alu[value, --, B, identity[IDENTITY_CHIP]]
    alu[@self, --, B, value]
    scan_begin_task()
#ifdef OBOE_REQUEST_UC
    requests_begin(own, value)
#endif
    state_read[index, engine_index, own, 0, 1]
    alu[number, --, B, index[0]]
    alu[@number, --, B, number]
#if (WORK_RINGS == 1)
    immed[value, (WORK_RING << 2)]
#else
    alu[value, number, +, WORK_RING]
    alu_shf[value, --, B, value, <<2]
#endif
    alu[@work_ring, --, B, value]
    state_base[value, packet_buffers]
    alu[@buffers, --, B, value]
    section_begin(own, number)
.end

// Drop the packet and go on with the next.
//   in_reason    register
#macro drop_here(in_reason)
.begin
.reg handle
    alu_shf[handle, --, B, descriptor, <<(32 - OFFSET_SHIFT)]
    alu_shf[handle, --, B, handle, >>(32 - OFFSET_SHIFT)]
    packet_drop(handle, in_reason)
.end
    section_skip()
    br[next_packet#]
#endm

next_packet#:
.begin
.reg work place handle protocol low high ports
    section_take(descriptor, work, place)
    alu[--, --, B, descriptor]
    beq[scan#]
    descriptor_place(packet_at, handle, descriptor, @buffers)
    flow_key(protocol, low, high, ports)
    epoch_enter()
    immed[verdict, 0]
    section_enter(place)
    flow_find(work, protocol, low, high, ports, refused#)
    br[found#]
scan#:
    epoch_enter()
    section_enter(place)
    scan_bucket(work)
    epoch_leave()
    section_skip()
    br[next_packet#]
.end
found#:
    service_packet()
    alu[--, --, B, verdict]
    bne[drop#]
refused#:
    epoch_leave()
    section_send(descriptor)
    br[next_packet#]

#ifdef OBOE_REQUEST_UC
// An operation found its home down. That of the scanner has no packet; the record stays as it is.
unavailable_forward#:
    alu[--, --, B, descriptor]
    bne[refused#]
    br[no_packet#]
unavailable_drop#:
    alu[--, --, B, descriptor]
    beq[no_packet#]
.begin
.reg reason
    epoch_leave()
    immed[reason, DROP_UNAVAILABLE]
    drop_here(reason)
.end
no_packet#:
    epoch_leave()
    section_skip()
    br[next_packet#]
#endif

drop#:
.begin
.reg reason
    epoch_leave()
    alu[reason, verdict, +, (DROP_SERVICE - 1)]
    drop_here(reason)
.end
