package lockstep.cli.common;

import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import picocli.CommandLine.Option;

/**
 * Options in a file: {@code --config FILE}. A line {@code memory = 128M} is as good as {@code
 * --memory=128M}; what the command line says itself wins. The file's form is that of Java's
 * properties.
 */
public final class ConfigFile {
  private static final String OPTION = "--config";

  @SuppressWarnings("UnusedVariable") // for --help: the option is gone before Picocli parses
  @Option(
      names = OPTION,
      paramLabel = "FILE",
      description =
          "Take options from a file, one a line, such as: memory = 128M. Those on the command line"
              + " win.")
  private Path file = Path.of("");

  /** Only Picocli makes one. */
  public ConfigFile() {}

  /**
   * Puts a file's options in the place of {@code --config FILE}.
   *
   * @throws CommandFailure when the file cannot be read
   */
  public static String[] expand(String... arguments) throws CommandFailure {
    List<String> all = new ArrayList<>();
    List<String> given =
        Arrays.stream(arguments).map(text -> text.replaceFirst("=.*", "")).toList();
    for (int i = 0; i < arguments.length; i++) {
      String argument = arguments[i];
      if (argument.equals(OPTION) && i + 1 < arguments.length) {
        all.addAll(options(arguments[++i], given));
      } else if (argument.startsWith(OPTION + "=")) {
        all.addAll(options(argument.substring(OPTION.length() + 1), given));
      } else {
        all.add(argument);
      }
    }
    return all.toArray(String[]::new);
  }

  private static List<String> options(String file, List<String> given) throws CommandFailure {
    Properties lines = read(file);
    List<String> options = new ArrayList<>();
    for (String key : lines.stringPropertyNames().stream().sorted().toList()) {
      String option = "--" + key;
      if (option.equals(OPTION)) {
        throw new CommandFailure(
            OPTION + " " + file + ": it names another file", "put all options into one");
      }
      if (!given.contains(option)) {
        options.add(option + "=" + lines.getProperty(key, "").strip());
      }
    }
    return options;
  }

  private static Properties read(String file) throws CommandFailure {
    Properties lines = new Properties();
    try (Reader reader = Files.newBufferedReader(Path.of(file), StandardCharsets.UTF_8)) {
      lines.load(reader);
      return lines;
    } catch (IOException e) {
      throw new CommandFailure(
          OPTION + " " + file + ": " + FileErrors.reason(e), "check the path", e);
    } catch (IllegalArgumentException e) {
      throw new CommandFailure(
          OPTION + " " + file + ": " + e.getMessage(), "write a backslash as two", e);
    }
  }
}
