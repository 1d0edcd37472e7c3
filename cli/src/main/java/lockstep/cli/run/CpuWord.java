package lockstep.cli.run;

import java.util.ArrayList;
import java.util.Arrays;
import lockstep.kvm.CpuModel;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** {@code --cpu} by the words of the CPU models. */
final class CpuWord implements ITypeConverter<CpuModel.Kind> {
  /** Only Picocli makes one. */
  CpuWord() {}

  @Override
  public CpuModel.Kind convert(String text) {
    return CpuModel.Kind.of(text)
        .orElseThrow(
            () ->
                new TypeConversionException(
                    "'" + text + "' is no CPU model; there are " + new Words()));
  }

  /** For the usage text. */
  static final class Words extends ArrayList<String> {
    private static final long serialVersionUID = 1L;

    Words() {
      super(Arrays.stream(CpuModel.Kind.values()).map(CpuModel.Kind::word).toList());
    }
  }
}
