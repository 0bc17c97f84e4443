// What a service may ask about its packet, and change in it. docs/oboe.md, section 3.
//
// Uses of the worker: packet_at (DRAM address of the frame), descriptor.

#ifndef OBOE_PACKET_UC
#define OBOE_PACKET_UC

#include "structures.uc"

// Bytes of the frame, without FCS.
//   out          register
//   cycles       1
#macro packet_length(out)
    alu_shf[out, --, B, descriptor, >>16]
#endm

// 16 bytes of the frame.
//   out0, out1, out2, out3  registers
//   at           register or constant to 65535: the first byte, a multiple of 8
//   cycles       5 or 6, and a read
#macro packet_read(out0, out1, out2, out3, at)
.begin
.reg read $$packet[4]
.sig packet_read
#if (isnum(at))
.reg place
    immed[place, at]
    dram[read, $$packet[0], packet_at, place, 2], structure[packet_buffers], sig_done[packet_read]
#else
    dram[read, $$packet[0], packet_at, at, 2], structure[packet_buffers], sig_done[packet_read]
#endif
    ctx_arb[packet_read]
    alu[out0, --, B, $$packet[0]]
    alu[out1, --, B, $$packet[1]]
    alu[out2, --, B, $$packet[2]]
    alu[out3, --, B, $$packet[3]]
.end
#endm

// Change a longword of the frame.
//   at           register or constant to 65535: its first byte, a multiple of 4
//   in           register
//   cycles       8, and a write
#macro packet_write(at, in)
.begin
.reg write $$packet[2]
.reg place mask
.sig packet_written
#if (isnum(at))
    immed[place, at]
#else
    alu[place, --, B, at]
#endif
    alu[$$packet[0], --, B, in]
    alu[$$packet[1], --, B, in]
    br_bclr[place, 2, masked#], defer[1]
    immed[mask, 0x10F0, <<8]            // use the byte mask: the quadword's first half
    immed[mask, 0x1F00, <<8]            // its second half
masked#:
    alu[--, --, B, mask]
    dram[write, $$packet[0], packet_at, place, 1], structure[packet_buffers], indirect_ref, sig_done[packet_written]
    ctx_arb[packet_written]
.end
#endm

// The packet's key, in canonical order.
//   out_low, out_high  registers: addresses
//   out_ports          register: port of the first address 31:16, of the second 15:0
//   out_protocol       register: bit 16 the endpoints changed places, bits 7:0 protocol
//   cycles             11, and a read
#macro packet_key(out_low, out_high, out_ports, out_protocol)
.begin
.reg read $$key[4]
.reg place
.sig key_read
    alu[place, packet_at, -, 16]
    dram[read, $$key[0], place, 0, 2], structure[packet_buffers], sig_done[key_read]
    ctx_arb[key_read]
    alu_shf[out_protocol, --, B, $$key[0], <<8]
    alu_shf[out_protocol, --, B, out_protocol, >>8]
    alu[out_low, --, B, $$key[1]]
    alu[out_high, --, B, $$key[2]]
    alu[out_ports, --, B, $$key[3]]
.end
#endm

// The first three longwords of the hash of the packet's key.
//   out0, out1, out2  registers
//   cycles       9, and a read
#macro packet_hash(out0, out1, out2)
.begin
.reg read $$hash[4]
.reg place
.sig hash_read
    alu[place, packet_at, -, 32]
    dram[read, $$hash[0], place, 0, 2], structure[packet_buffers], sig_done[hash_read]
    ctx_arb[hash_read]
    alu[out0, --, B, $$hash[1]]
    alu[out1, --, B, $$hash[2]]
    alu[out2, --, B, $$hash[3]]
.end
#endm

// The packet's bundle.
//   out          register
//   cycles       7, and a read
#macro packet_bundle(out)
.begin
.reg read $$hash[2]
.reg place
.sig hash_read
    alu[place, packet_at, -, 32]
    dram[read, $$hash[0], place, 0, 1], structure[packet_buffers], sig_done[hash_read]
    ctx_arb[hash_read]
    alu_shf[out, --, B, $$hash[0], >>WORK_BUNDLE]
.end
#endm

// Where the packet came in: port of its chip.
//   out          register
//   cycles       3, and a read
#macro packet_ingress(out)
.begin
.reg read $$key[2]
.reg place
.sig key_read
    alu[place, packet_at, -, 16]
    dram[read, $$key[0], place, 0, 1], structure[packet_buffers], sig_done[key_read]
    ctx_arb[key_read]
    alu_shf[out, --, B, $$key[0], >>24]
.end
#endm

#endif
