// Counting at both ends of the flow's entry. oracle.py says the same in Python.

#if (STATE_WORDS < 4)
#error "an entry of STATE_WORDS longwords: must be at least 4"
#endif

#macro service_new_flow()
    context_begin(flow)
#endm

#macro service_packet()
.reg length
    packet_length(length)
    context_count(flow, length)
#endm

#macro service_evict()
#endm
