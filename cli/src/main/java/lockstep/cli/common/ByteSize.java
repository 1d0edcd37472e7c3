package lockstep.cli.common;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** An amount of memory on the command line: a number of bytes, or with K, M or G behind it. */
public final class ByteSize implements ITypeConverter<Long> {
  private static final Pattern SYNTAX = Pattern.compile("([0-9]{1,15})([KMG]?)(I?B)?");

  /** Only Picocli makes one. */
  public ByteSize() {}

  @Override
  public Long convert(String text) {
    Matcher matcher = SYNTAX.matcher(text.toUpperCase(Locale.ROOT));
    if (!matcher.matches()) {
      throw new TypeConversionException("'" + text + "' is not a size such as 64M");
    }
    int shift =
        switch (matcher.group(2)) {
          case "K" -> 10;
          case "M" -> 20;
          case "G" -> 30;
          default -> 0;
        };
    long number = Long.parseLong(matcher.group(1));
    if (number > Long.MAX_VALUE >> shift) {
      throw new TypeConversionException("'" + text + "' is beyond all memory");
    }
    return number << shift;
  }
}
