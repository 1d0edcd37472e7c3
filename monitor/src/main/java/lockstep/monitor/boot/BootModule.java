package lockstep.monitor.boot;

/**
 * A Multiboot module.
 *
 * @param file its content
 * @param commandLine the string passed with it, by convention its name and arguments
 */
public record BootModule(BootFile file, String commandLine) {}
