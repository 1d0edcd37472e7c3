package lockstep.cli.run;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads a {@link PlacementWord}. */
final class PlacementConverter implements ITypeConverter<PlacementWord> {
  /** Only Picocli makes one. */
  PlacementConverter() {}

  @Override
  public PlacementWord convert(String text) {
    for (PlacementWord word : PlacementWord.values()) {
      if (word.word().equals(text)) {
        return word;
      }
    }
    throw new TypeConversionException(
        "no placement '" + text + "'; use " + String.join(", ", new PlacementWord.Words()));
  }
}
