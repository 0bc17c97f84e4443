// What classify makes of a frame from outside: checks, the canonical key.

#ifndef OBOE_HEADERS_UC
#define OBOE_HEADERS_UC

#include "structures.uc"
#include "../lib/checksum.uc"
#include "../lib/flow_key.uc"

#define ETHERNET_BYTES 14

// The checks of an IPv4 header before its checksum.
//   out_options  register: longwords of options, 0..10
//   out_header   register: header length in bytes
//   in_type      register: longword 3 of the frame (EtherType, version and header length, type of service)
//   in_length    register: longword 4 (total length, identification)
//   in_frame     register: frame length in bytes
//   reason       register that receives DROP_*; DROP# is the label to branch to
//   cycles       20
#macro check_headers(out_options, out_header, in_type, in_length, in_frame, reason, DROP)
.reg room total
    immed[reason, DROP_SHORT]
    alu[room, in_frame, -, (ETHERNET_BYTES + HEADER_BYTES)]
    blo[DROP], defer[2]
    alu_shf[out_options, 0xFF, AND, in_type, >>8]
    alu_shf[total, --, B, in_length, >>16]
    immed[reason, DROP_VERSION]
    br!=byte[in_type, 3, 0x08, DROP]
    br!=byte[in_type, 2, 0x00, DROP]
    alu[out_options, out_options, -, PLAIN_HEADER]
    blo[DROP], defer[1]
    alu[room, room, +, HEADER_BYTES]
    alu[--, MOST_OPTIONS, -, out_options]
    blo[DROP], defer[2]
    alu_shf[out_header, --, B, out_options, <<2]
    alu[out_header, out_header, +, HEADER_BYTES]
    immed[reason, DROP_SHORT]
    alu[--, total, -, out_header]
    blo[DROP]
    alu[--, room, -, total]
    blo[DROP]
#endm

#define KEY_EXCHANGED 16                // flag of the key, bit of longword 12 of the prefix

// Bring the endpoints of a key into canonical order: by address, then by port.
//   io_low, io_high  registers: source and destination address
//   io_ports         register: source port 31:16, destination port 15:0
//   io_flags         register: KEY_EXCHANGED is set where the endpoints changed places
//   cycles           7 between kept addresses; 15 exchanged
#macro canonical(io_low, io_high, io_ports, io_flags)
.reg first other
    alu[--, io_high, -, io_low]
    beq[same#], defer[1]
    alu_shf[first, --, B, io_ports, >>16]
    alu[--, io_high, -, io_low]
    bhs[kept#]
    br[exchange#]
same#:
    alu_shf[other, --, B, io_ports, <<16]
    alu_shf[other, --, B, other, >>16]
    alu[--, other, -, first]
    bhs[kept#]
exchange#:
    alu[other, --, B, io_low]
    alu[io_low, --, B, io_high]
    alu[io_high, --, B, other]
    alu_shf[io_ports, first, OR, io_ports, <<16]
    alu_shf[io_flags, io_flags, OR, 1, <<KEY_EXCHANGED]
kept#:
#endm

// Behind translation: a packet to the external address belongs to the bundle that owns its port.
//   io_bundle       register: bundle in bits 31:WORK_BUNDLE, 0 below
//   in_destination, in_ports  registers
//   cycles          5 or 6
#macro inside_bundle(io_bundle, in_destination, in_ports)
.reg external
    immed[external, (EXTERNAL & 0xFFFF)]
    immed_w1[external, ((EXTERNAL >> 16) & 0xFFFF)]
    alu[--, external, XOR, in_destination]
    bne[outside#]
    alu_shf[io_bundle, --, B, in_ports, <<WORK_BUNDLE]
outside#:
#endm

#endif
