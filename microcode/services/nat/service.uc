// Address and port translation. oracle.py says the same in Python.

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define TCP_NEEDED 18                   // bytes of the transport, the checksum included
#define UDP_NEEDED 8
#define BUNDLE_BITS 10                  // port = (slot + 1) x 1024 + bundle
#define SLOT_BITS 6
#define NO_SLOT 63
#define LIVE 31

#include "rewrite.uc"

// Load a constant of 32 bits.
#macro load_word(out, VALUE)
    immed[out, ((VALUE) & 0xFFFF)]
    immed_w1[out, (((VALUE) >> 16) & 0xFFFF)]
#endm

// The session that a port belongs to.
//   out_session, out_bundle, out_slot  registers; the slot is negative for a port below 1024
//   in_port      register, bits 31:16 are 0
#macro session_of(out_session, out_bundle, out_slot, in_port)
    alu_shf[out_slot, --, B, in_port, >>BUNDLE_BITS]
    alu_shf[out_bundle, --, B, out_slot, <<BUNDLE_BITS]
    alu[out_bundle, in_port, -, out_bundle]
    alu[out_slot, out_slot, -, 1]
    alu_shf[out_session, out_slot, OR, out_bundle, <<SLOT_BITS]
#endm

#macro service_new_flow()
    flow_port_set(flow, 0)
#endm

#macro service_evict()
.reg port bundle slot session
    flow_port_get(flow, port)
    alu[--, --, B, port]
    beq[closed#]
    session_of(session, bundle, slot, port)
    session_close(session)
    port_give(bundle, slot)
closed#:
#endm

// Whether the packet can be translated at all.
//   out_options  register: bytes of IPv4 options
//   in_protocol  register, bits 7:0
//   NO           label to branch to if not
#macro check_transport(out_options, in_protocol, NO)
.reg word8 header length word20 needed
    immed[needed, TCP_NEEDED]
    br=byte[in_protocol, 0, PROTOCOL_TCP, ported#]
    immed[needed, UDP_NEEDED]
    br!=byte[in_protocol, 0, PROTOCOL_UDP, NO]
ported#:
    packet_read(word8, header, length, word20, 8)
    alu_shf[length, --, B, length, >>16]
    alu_shf[out_options, 0x3C, AND, header, >>6]
    alu[length, length, -, out_options]
    alu[--, length, -, needed]
    blt[NO]
    alu[out_options, out_options, -, 20]
#endm

// The external port of an outgoing flow; a flow without one opens a session.
//   out_port     register
//   in_...       registers: key
//   NONE         label to branch to if the bundle has no port left
#macro outgoing_port(out_port, in_source, in_destination, in_ports, in_protocol, NONE)
.reg bundle slot live session
    flow_port_get(flow, out_port)
    alu[--, --, B, out_port]
    bne[open#]
    packet_bundle(bundle)
    port_take(bundle, slot)
    alu[--, slot, -, NO_SLOT]
    beq[NONE]
    alu_shf[session, slot, OR, bundle, <<SLOT_BITS]
    alu[slot, slot, +, 1]
    alu_shf[out_port, --, B, slot, <<BUNDLE_BITS]
    alu[out_port, out_port, +, bundle]
    ld_field_w_clr[live, 0001, in_protocol]
    alu_shf[live, live, OR, 1, <<LIVE]
    session_open(session, in_source, in_destination, in_ports, live)
    flow_port_set(flow, out_port)
open#:
#endm

// The session of an incoming packet.
//   out_address, out_port  registers: the inside
//   in_...       registers: key
//   NONE         label to branch to if it belongs to none
#macro incoming_session(out_address, out_port, in_source, in_ports, in_protocol, NONE)
.reg port far ports live session
    ld_field_w_clr[port, 0011, in_ports]
    session_of(session, far, live, port)
    alu[--, --, B, live]
    bmi[NONE]
    session_find(session, out_address, far, ports, live)
    br_bclr[live, LIVE, NONE]
    alu_shf[live, live, AND~, 1, <<LIVE]
    ld_field_w_clr[port, 0001, in_protocol]
    alu[--, live, XOR, port]
    bne[NONE]
    alu[--, far, XOR, in_source]
    bne[NONE]
    ld_field_w_clr[far, 0011, ports]
    alu_shf[port, --, B, in_ports, >>16]
    alu[--, far, XOR, port]
    bne[NONE]
    alu_shf[out_port, --, B, ports, >>16]
#endm

#macro service_packet()
.reg source destination ports protocol options external new old change
    packet_key(source, destination, ports, protocol)
    check_transport(options, protocol, untranslated#)
    load_word(external, EXTERNAL)
    immed[change, 0]
    alu[--, destination, XOR, external]
    beq[incoming#]
#if (INSIDE_BITS > 0)
    load_word(new, INSIDE_NETWORK)
    alu[new, new, XOR, source]
    alu_shf[--, --, B, new, >>(32 - INSIDE_BITS)]
    bne[untranslated#]
#endif
    outgoing_port(new, source, destination, ports, protocol, no_port#)
    add_address_change(change, source, external)
    address_rewrite(external, change, 1)
    port_rewrite(new, options, 1)
    alu_shf[old, --, B, ports, >>16]
    add_port_change(change, old, new)
    transport_checksum_rewrite(change, options, protocol)
    br[translated#]
incoming#:
    incoming_session(destination, new, source, ports, protocol, no_session#)
    add_address_change(change, external, destination)
    address_rewrite(destination, change, 0)
    port_rewrite(new, options, 0)
    add_port_change(change, ports, new)
    transport_checksum_rewrite(change, options, protocol)
    br[translated#]
untranslated#:
    br[translated#], defer[1]
    immed[verdict, VERDICT_NOT_TRANSLATED]
no_port#:
    br[translated#], defer[1]
    immed[verdict, VERDICT_NO_PORT]
no_session#:
    immed[verdict, VERDICT_NO_SESSION]
translated#:
#endm
