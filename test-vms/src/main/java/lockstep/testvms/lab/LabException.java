package lockstep.testvms.lab;

/** The lab itself failed: not the command in it, which has an exit code of its own. */
public final class LabException extends Exception {
  private static final long serialVersionUID = 1;

  LabException(String message) {
    super(message);
  }

  LabException(String message, Throwable cause) {
    super(message, cause);
  }
}
