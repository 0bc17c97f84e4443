// Byte 40 of the frame: the packet's number. Entry 2 counts.

#macro service_new_flow()
#endm

#macro service_evict()
#endm

#macro service_packet()
.reg number packets word2 word3
    count_of(2, packets)
    alu[--, packets, -, LIMIT]
    blo[below#]
    immed[verdict, VERDICT_EXCEEDED]
below#:
    packet_read(number, packets, word2, word3, 40)
    count_packet(2, number)
#endm
