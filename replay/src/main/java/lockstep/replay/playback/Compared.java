package lockstep.replay.playback;

/**
 * What of a machine was compared whole with the recorded one.
 *
 * @param machines how many times, with equal digests
 * @param exits at which guest exit last; 0 for never
 */
public record Compared(long machines, long exits) {}
