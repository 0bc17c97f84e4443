// Intrusion detection. oracle.py says the same in Python, without a table.

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define ETHERNET_BYTES 14
#define TCP_HEADER_BYTES 20
#define UDP_HEADER_BYTES 8
#define OFFSET_BYTE 24                  // of the frame, without the IPv4 header between: the longword of TCP's data offset
#define OUTPUT 31

#macro service_new_flow()
    scan_begin(flow)
#endm

#macro service_evict()
#endm

// Where the payload lies in the frame.
//   out_at       register: its first byte
//   out_left     register: bytes, 0 or less for none
//   in_protocol  register, bits 7:0
#macro payload_of(out_at, out_left, in_protocol)
.reg word8 header length fragment place
    packet_read(word8, header, length, fragment, 8)
    alu_shf[out_left, --, B, length, >>16]
    alu_shf[header, 0x3C, AND, header, >>6]
    alu[out_left, out_left, -, header]
    alu[out_at, header, +, ETHERNET_BYTES]
    br=byte[in_protocol, 0, PROTOCOL_TCP, tcp#]
    br!=byte[in_protocol, 0, PROTOCOL_UDP, found#]
    alu[--, out_left, -, UDP_HEADER_BYTES]
    blt[found#]
    immed[length, UDP_HEADER_BYTES]
    br[skip#]
tcp#:
    alu[--, out_left, -, TCP_HEADER_BYTES]
    blt[found#]
    alu[header, header, +, OFFSET_BYTE]
    alu[place, header, AND~, 7]
    packet_read(word8, length, fragment, place, place)
    br_bset[header, 2, odd#]
    alu[length, --, B, word8]
odd#:
    alu_shf[length, 0x3C, AND, length, >>10]
skip#:
    alu[out_at, out_at, +, length]
    alu[out_left, out_left, -, length]
found#:
#endm

// One byte through the automaton.
//   io_state     register
//   in_byte      register
//   verdict      changes with the policy
#macro automaton_step(io_state, in_byte)
.reg index step action
#if (ROOT_BITMAP)
    alu[--, --, B, io_state]
    bne[step#]
    alu_shf[index, --, B, in_byte, >>5]
    root_test(index, in_byte, action)
    alu[--, --, B, action]
    beq[stepped#]
step#:
#endif
    alu_shf[index, in_byte, OR, io_state, <<8]
    rule_step(index, step)
    ld_field_w_clr[io_state, 0011, step]
    br_bclr[step, OUTPUT, stepped#]
    alert_count(io_state)
    policy_of(io_state, action)
    alu[--, --, B, action]
    beq[stepped#]
    immed[verdict, VERDICT_BLOCKED]
stepped#:
#endm

#macro service_packet()
.reg at left direction state
.begin
.reg low high ports
    packet_key(low, high, ports, direction)
.end
    payload_of(at, left, direction)
    alu[--, left, -, 1]
    blt[scanned#]
    scan_find(flow, direction, state)

// 16 bytes at a time; the longword in hand is shifted up byte by byte, the others behind it.
.begin
.reg word next second third in_hand longwords byte
    alu[longwords, --, B, 4]
    alu[byte, at, AND, 7]
    alu[at, at, AND~, 7]
    packet_read(word, next, second, third, at)
    alu[at, at, +, 16]
    br_bclr[byte, 2, first#]
    alu[word, --, B, next]
    alu[next, --, B, second]
    alu[second, --, B, third]
    immed[longwords, 3]
first#:
    alu[in_hand, 3, AND, byte]
    alu_shf[byte, --, B, in_hand, <<3]
    alu[in_hand, 4, -, in_hand]
    alu[--, byte, OR, 0]
    alu_shf[word, --, B, word, <<indirect]
byte#:
    alu_shf[byte, --, B, word, >>24]
    alu_shf[word, --, B, word, <<8]
    automaton_step(state, byte)
    alu[left, left, -, 1]
    beq[end#]
    alu[in_hand, in_hand, -, 1]
    bne[byte#]
    immed[in_hand, 4]
    alu[longwords, longwords, -, 1]
    beq[more#]
    alu[word, --, B, next]
    alu[next, --, B, second]
    br[byte#], defer[1]
    alu[second, --, B, third]
more#:
    packet_read(word, next, second, third, at)
    alu[at, at, +, 16]
    immed[longwords, 4]
    br[byte#]
end#:
.end
    scan_keep(flow, direction, state)
scanned#:
#endm
