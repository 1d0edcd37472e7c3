package lockstep.kvm;

/**
 * A segment register with its hidden part, as struct kvm_segment has it.
 *
 * @param base linear base address
 * @param limit in bytes, inclusive, after applying the granularity
 * @param type the descriptor's four type bits
 * @param present P
 * @param dpl descriptor privilege level, 0..3
 * @param db D/B: 32-bit default
 * @param codeOrData S: not a system segment
 * @param longMode L: 64-bit code
 * @param granular G: the limit counted pages
 */
public record Segment(
    int selector,
    long base,
    int limit,
    int type,
    boolean present,
    int dpl,
    boolean db,
    boolean codeOrData,
    boolean longMode,
    boolean granular) {}
