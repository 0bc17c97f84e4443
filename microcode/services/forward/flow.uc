// The flow table: packets and bytes of every flow that is forwarded.
//
// An element: source, destination, ports (source << 16 | destination; 0 unless unfragmented TCP or UDP), protocol with
// bit 31 set when valid, packets, bytes (IPv4 total length), 0, 0. A flow lies in one of the four elements of its group,
// which the upper bits of its hash choose. Receive chooses the worker by no more than these bits, so a
// group belongs to one microengine; an update is made inside that microengine's ordered section.

#ifndef FLOW_UC
#define FLOW_UC

#include "../../lib/structures.uc"
#include "../../lib/worker.uc"

#ifndef MAX_FLOWS
#define MAX_FLOWS 256
#endif
#define GROUP_BITS 2
#if ((MAX_FLOWS & (MAX_FLOWS - 1)) != 0 || MAX_FLOWS < (1 << (WORKER_HASH_BITS + GROUP_BITS)) || MAX_FLOWS > (1 << 24))
#error "a flow table of MAX_FLOWS elements: must be a power of two from 256 to 16,777,216"
#endif
.structure flow_table element_bytes=32 count=(MAX_FLOWS) align=32 access=read,write,add sharing=me

#define FLOW_VALID 31
#define FLOW_PACKETS 4                  // longwords of an element
#define FLOW_BYTES 5

// The protocol word of a key.
//   out_key      register
//   in_fragment  register: longword 5 of the frame (flags and fragment offset, TTL, protocol)
//   cycles       2
#macro flow_protocol(out_key, in_fragment)
    ld_field_w_clr[out_key, 0001, in_fragment]
    alu_shf[out_key, out_key, OR, 1, <<FLOW_VALID]
#endm

// Count a packet of a flow; a flow that finds its group taken by others is counted in drop_counters as such.
//   in_hash      register
//   in_source, in_destination, in_ports, in_protocol   registers: the key
//   in_bytes     register
//   cycles       13, a read and two adds for a flow in the group's first element; 11 more and a read for each other;
//                a new flow: a write
#macro flow_count(in_hash, in_source, in_destination, in_ports, in_protocol, in_bytes)
.reg index
.state_xfer flow[8] flow_table
    alu_shf[index, --, B, in_hash, >>(32 - log2(MAX_FLOWS))]
    alu[index, index, AND~, ((1 << GROUP_BITS) - 1)]
probe#:
    state_read[flow, flow_table, index, 0, 4]
    alu[--, in_source, XOR, flow[0]]
    bne[other#]
    alu[--, in_destination, XOR, flow[1]]
    bne[other#]
    alu[--, in_ports, XOR, flow[2]]
    bne[other#]
    alu[--, in_protocol, XOR, flow[3]]
    beq[found#]
other#:
    br_bclr[flow[3], FLOW_VALID, new#]
    alu[index, index, +, 1]
    alu[--, index, AND, ((1 << GROUP_BITS) - 1)]
    bne[probe#]
    state_add[drop_counters, COUNT_FLOW_TABLE_FULL, 0, 1]
    br[counted#]
new#:
    alu[flow[0], --, B, in_source]
    alu[flow[1], --, B, in_destination]
    alu[flow[2], --, B, in_ports]
    alu[flow[3], --, B, in_protocol]
    immed[flow[FLOW_PACKETS], 1]
    alu[flow[FLOW_BYTES], --, B, in_bytes]
    immed[flow[6], 0]
    immed[flow[7], 0]
    state_write[flow, flow_table, index, 0, 8]
    br[counted#]
found#:
    state_add[flow_table, index, FLOW_PACKETS, 1]
    state_add[flow_table, index, FLOW_BYTES, in_bytes]
counted#:
#endm

#endif
