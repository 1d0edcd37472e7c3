package lockstep.testing;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import lockstep.storage.lease.LeaseFiles;

/**
 * A directory that several hosts have mounted, as far as a lease uses one: hard links, rename,
 * exclusive creation, and what can go wrong with them. Names that were changed are on the medium
 * after a sync; a loss of power takes away the last ones of those that are not, which the next sync
 * of the host that made them reports. One thread.
 */
public final class SimulatedShare {
  /** What a host remembers of names. */
  public enum Cache {
    /** Nothing. */
    NONE,
    /** All of them, until it changes the directory itself, or a file it opens is gone (NFS). */
    UNTIL_CHANGE,
    /** All of them for up to a second, whatever happens (FUSE). */
    ONE_SECOND
  }

  private static final long UNTIL_CHANGE_NANOS = 60_000_000_000L;
  private static final long ONE_SECOND_NANOS = 1_000_000_000L;

  private static final class File {
    private String text;

    File(String text) {
      this.text = text;
    }
  }

  private final LongSupplier clock;
  private final RandomGenerator random;
  private Map<String, File> names = new HashMap<>();
  private final List<Map<String, File>> unsynced = new ArrayList<>();
  private Map<String, File> durable = new HashMap<>();
  private final Set<Mount> holders = new HashSet<>();
  private final List<Mount> mounts = new ArrayList<>();
  private boolean full;

  /** An empty directory with an image. */
  public SimulatedShare(LongSupplier clock, RandomGenerator random) {
    this.clock = clock;
    this.random = random;
  }

  /** Whether a new name can be made. */
  public void full(boolean now) {
    full = now;
  }

  /** The server loses its power: of the changes since the last sync some first ones stay. */
  public void loseUnsynced() {
    mounts.forEach(mount -> mount.lost = mount.dirty);
    int kept = random.nextInt(unsynced.size() + 1);
    names = new HashMap<>(kept == 0 ? durable : unsynced.get(kept - 1));
    durable = new HashMap<>(names);
    unsynced.clear();
  }

  /** Somebody removes files by hand. */
  public void remove(String name) {
    names.remove(name);
    changed();
  }

  /** Somebody removes all of the lease's files by hand. */
  public void removeAll() {
    names.clear();
    changed();
  }

  private void changed() {
    unsynced.add(new HashMap<>(names));
  }

  private boolean isLinked(File file) {
    return names.containsValue(file);
  }

  /** A host's way to it. */
  public Mount mount(Cache cache, boolean ownLocks) {
    Mount mount = new Mount(cache, ownLocks);
    mounts.add(mount);
    return mount;
  }

  /** The share as one host sees it. */
  public final class Mount implements LeaseFiles {
    private final Cache cache;
    private final boolean ownLocks;
    private Map<String, File> seen = new HashMap<>();
    private long seenNanos = Long.MIN_VALUE;
    private final Map<String, File> mountPoint = new HashMap<>();
    private boolean mounted = true;
    private boolean ignoresSync;

    /** It has made changes that it has not synced, and the server has lost them since. */
    private boolean dirty;

    private boolean lost;
    private int errorsPerMille;
    private Runnable pause = () -> {};

    private Mount(Cache cache, boolean ownLocks) {
      this.cache = cache;
      this.ownLocks = ownLocks;
    }

    /** Called before and after each effect: others may act meanwhile. */
    public void pause(Runnable work) {
      pause = work;
    }

    /** Whether the share is mounted here; else there is the empty directory of its mount point. */
    public void mounted(boolean now) {
      mounted = now;
      forget();
    }

    /** How many of 1,000 calls fail, half of them after their effect. */
    public void errors(int perMille) {
      errorsPerMille = perMille;
    }

    /** Lets a sync do nothing: a fault, to see that it is found. */
    public void ignoreSync() {
      ignoresSync = true;
    }

    /** The host has crashed: its locks are free. */
    public void crash() {
      holders.remove(this);
      forget();
    }

    private void forget() {
      seen = new HashMap<>();
      seenNanos = Long.MIN_VALUE;
    }

    private void before() throws IOException {
      pause.run();
      if (random.nextInt(1_000) < errorsPerMille) {
        throw new IOException("Input/output error");
      }
    }

    private void after() throws IOException {
      pause.run();
      if (random.nextInt(1_000) < errorsPerMille) {
        throw new IOException("Input/output error, and done all the same");
      }
    }

    /** The directory as this host believes it to be. */
    private Map<String, File> view() {
      if (!mounted) {
        return mountPoint;
      }
      long limit =
          switch (cache) {
            case NONE -> -1;
            case UNTIL_CHANGE -> UNTIL_CHANGE_NANOS;
            case ONE_SECOND -> ONE_SECOND_NANOS;
          };
      long now = clock.getAsLong();
      if (seenNanos == Long.MIN_VALUE || now - seenNanos > limit) {
        seen = new HashMap<>(names);
        seenNanos = now;
      }
      return seen;
    }

    /** A change by this host. */
    private void changes(String... touched) {
      if (!mounted) {
        return;
      }
      dirty = true;
      if (cache == Cache.ONE_SECOND) {
        // It knows what it has done itself.
        for (String name : touched) {
          File file = names.get(name);
          if (file == null) {
            seen.remove(name);
          } else {
            seen.put(name, file);
          }
        }
      } else {
        forget();
      }
    }

    private Map<String, File> server() {
      return mounted ? names : mountPoint;
    }

    private Optional<File> open(String name) {
      File file = view().get(name);
      if (file != null && mounted && cache == Cache.UNTIL_CHANGE && !isLinked(file)) {
        // ESTALE: looked up once more.
        forget();
        file = view().get(name);
      }
      return Optional.ofNullable(file);
    }

    @Override
    public String subject() {
      return "/share/disk.img";
    }

    @Override
    public boolean hasImage() {
      return mounted;
    }

    @Override
    public Optional<String> read(String name) throws IOException {
      before();
      Optional<String> text = open(name).map(file -> file.text);
      after();
      return text;
    }

    @Override
    public void create(String name, String text) throws IOException {
      before();
      boolean taken = server().containsKey(name);
      if (!taken) {
        needRoom();
        server().put(name, new File(text));
        changed();
      }
      changes(name);
      after();
      if (taken) {
        throw new FileAlreadyExistsException(name);
      }
    }

    private void needRoom() throws IOException {
      if (full && mounted) {
        throw new IOException("No space left on device");
      }
    }

    @Override
    public void overwrite(String name, String text) throws IOException {
      before();
      File file = open(name).orElseThrow(() -> new NoSuchFileException(name));
      if (file.text.length() != text.length()) {
        throw new IllegalStateException("a text of another length needs room");
      }
      file.text = text;
      after();
    }

    @Override
    public void rename(String from, String to) throws IOException {
      before();
      File file = server().get(from);
      if (file != null) {
        if (!server().containsKey(to)) {
          needRoom();
        }
        server().remove(from);
        server().put(to, file);
        changed();
      }
      changes(from, to);
      after();
      if (file == null) {
        throw new NoSuchFileException(from);
      }
    }

    @Override
    public void link(String existing, String name) throws IOException {
      before();
      File file = server().get(existing);
      boolean taken = server().containsKey(name);
      if (file != null && !taken) {
        needRoom();
        server().put(name, file);
        changed();
      }
      changes(existing, name);
      after();
      if (file == null) {
        throw new NoSuchFileException(existing);
      }
      if (taken) {
        throw new FileAlreadyExistsException(name);
      }
    }

    @Override
    public void delete(String name) throws IOException {
      before();
      if (server().remove(name) != null) {
        changed();
      }
      changes(name);
      after();
    }

    @Override
    public List<String> list() throws IOException {
      before();
      List<String> list = view().keySet().stream().sorted().toList();
      after();
      return list;
    }

    @Override
    public void sync() throws IOException {
      before();
      if (mounted && !ignoresSync) {
        boolean failed = lost;
        lost = false;
        dirty = false;
        durable = new HashMap<>(names);
        unsynced.clear();
        if (failed) {
          throw new IOException("Input/output error: the server has lost changes");
        }
      }
      after();
    }

    @Override
    public void hold(String name) {
      holders.add(this);
    }

    @Override
    public void release() {
      holders.remove(this);
    }

    @Override
    public boolean isHeld(String name) {
      return holders.stream()
          .anyMatch(other -> other != this && !ownLocks && !other.ownLocks && mounted);
    }
  }
}
