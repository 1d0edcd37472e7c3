package lockstep.cli;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads a {@link PlacementWord}. */
final class PlacementConverter implements ITypeConverter<PlacementWord> {
  /** Only Picocli makes one. */
  PlacementConverter() {}

  @Override
  public PlacementWord convert(String text) {
    if (text.equals("counter")) {
      throw new TypeConversionException(
          "placement counter needs a performance counter, and is not built yet; use auto");
    }
    for (PlacementWord word : PlacementWord.values()) {
      if (word.word().equals(text)) {
        return word;
      }
    }
    throw new TypeConversionException(
        "no placement '" + text + "'; use " + String.join(", ", new PlacementWord.Words()));
  }
}
