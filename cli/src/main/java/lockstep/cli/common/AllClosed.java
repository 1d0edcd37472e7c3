package lockstep.cli.common;

import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Closes several things, each of them also when another one fails. */
public final class AllClosed {
  /** One of them: a method reference to its {@code close}. */
  public interface Part {
    /** Closes it. */
    void close() throws IOException;
  }

  private AllClosed() {}

  /**
   * Closes all.
   *
   * @throws IOException the first failure, with the others attached
   */
  public static void close(List<? extends Part> parts) throws IOException {
    @Nullable IOException first = null;
    for (Part part : parts) {
      try {
        part.close();
      } catch (IOException e) {
        if (first == null) {
          first = e;
        } else {
          first.addSuppressed(e);
        }
      }
    }
    if (first != null) {
      throw first;
    }
  }

  /** Closes all because of a failure, to which theirs are attached. */
  public static void closeAfter(Throwable failure, List<? extends Part> parts) {
    try {
      close(parts);
    } catch (IOException e) {
      failure.addSuppressed(e);
    }
  }
}
