// What makes a flow, and its hash: source, destination, protocol, and the ports of unfragmented TCP and UDP. Receive
// chooses the worker by the hash, the worker the group of its flow table, so both must mean the same by a flow.

#ifndef FLOW_KEY_UC
#define FLOW_KEY_UC

#define PLAIN_HEADER 0x45               // version 4, five longwords
#define MOST_OPTIONS 10                 // longwords
#define HEADER_BYTES 20
#define PORTS_BYTES 4
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17

// Clear the ports unless they are part of the key.
//   io_ports     register: the two ports, or whatever stands in their place
//   in_fragment  register: longword 5 of the frame (flags and fragment offset, TTL, protocol)
//   in_total     register: IPv4 total length
//   NEEDED       register or constant: header length + 4
//   cycles       8; with its branches 11 for UDP and 10 for TCP
#macro flow_ports(io_ports, in_fragment, in_total, NEEDED)
.reg offset
    br=byte[in_fragment, 0, PROTOCOL_UDP, has_ports#], defer[1]
    alu_shf[offset, --, B, in_fragment, <<2]            // more fragments, or an offset: bits 29:16
    br!=byte[in_fragment, 0, PROTOCOL_TCP, no_ports#]
has_ports#:
    alu_shf[--, --, B, offset, >>18]
    bne[no_ports#]
    alu[--, in_total, -, NEEDED]
    bhs[keyed#]
no_ports#:
    immed[io_ports, 0]
keyed#:
#endm

// The hash of a flow: CRC-32 over addresses and ports, begun with remainder 0. No swap inside: the remainder is the
// microengine's.
//   out_hash     register
//   in_source    register: longword 6 of the frame, its lower half is the source address's upper one
//   in_addresses, in_destination  registers: longwords 7 and 8
//   in_ports     register, from flow_ports
//   cycles       16
#macro flow_hash(out_hash, in_source, in_addresses, in_destination, in_ports)
    local_csr_wr[crc_remainder, 0]
    nop
    crc_be[crc_32, --, in_source], bytes_2_3
    nop
    crc_be[crc_32, --, in_addresses]
    nop
    crc_be[crc_32, --, in_destination], bytes_0_1
    nop
    flow_hash_end(out_hash, in_ports)
#endm

// The hash's last step: the ports.
//   out_hash, in_ports   registers
//   cycles       8
#macro flow_hash_end(out_hash, in_ports)
    crc_be[crc_32, --, in_ports]
    nop                                 // the remainder may be read five cycles later
    nop
    nop
    nop
    nop
    local_csr_rd[crc_remainder]
    immed[out_hash, 0]
#endm

#endif
