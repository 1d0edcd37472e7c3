package lockstep.storage.lease;

import java.io.IOException;
import java.util.List;
import java.util.Optional;

/**
 * The files of one lease, as far as a lease needs a file system. Names are what follows {@code
 * IMAGE.lease}; the empty one is that file itself. No call follows a symbolic link.
 *
 * <p>Any thread. A call throws {@link IOException}, with one line, when the file system refuses it
 * or gives no answer; a change may have taken effect all the same.
 */
public interface LeaseFiles {
  /** The image, for messages. */
  String subject();

  /** Whether the image itself is there: a share that is not mounted shows neither. */
  boolean hasImage() throws IOException;

  /** A small file's text, as it is now at the server; empty when there is no such file. */
  Optional<String> read(String name) throws IOException;

  /**
   * Makes a file with this text on the medium. Its name is there after {@link #sync}.
   *
   * @throws java.nio.file.FileAlreadyExistsException when the name is taken
   */
  void create(String name, String text) throws IOException;

  /**
   * Writes over a file in place, as long as it was; other hosts that open it then see it.
   *
   * @throws java.nio.file.NoSuchFileException when there is none: it is never made
   */
  void overwrite(String name, String text) throws IOException;

  /**
   * Gives a file another name, in place of what has that name. Of two at once with one source, one
   * succeeds.
   *
   * @throws java.nio.file.NoSuchFileException when there is no source
   */
  void rename(String from, String to) throws IOException;

  /**
   * Gives a file a second name.
   *
   * @throws java.nio.file.FileAlreadyExistsException when the name is taken
   */
  void link(String existing, String name) throws IOException;

  /** Removes a file, if it is there. */
  void delete(String name) throws IOException;

  /** The names that there are. */
  List<String> list() throws IOException;

  /** Returns when every change of names before is on the medium. */
  void sync() throws IOException;

  /** Holds a shared lock on a file, which it makes if there is none; where locks work. */
  void hold(String name) throws IOException;

  /** Gives up what {@link #hold} took. */
  void release() throws IOException;

  /** Whether others hold it. False says little: some mounts keep locks to themselves. */
  boolean isHeld(String name) throws IOException;
}
