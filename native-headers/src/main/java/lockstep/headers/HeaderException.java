package lockstep.headers;

/**
 * The symbols lists, the headers and jextract's output do not fit together; the text says where.
 */
final class HeaderException extends RuntimeException {
  private static final long serialVersionUID = 1;

  HeaderException(String message) {
    super(message);
  }
}
