package lockstep.monitor.device;

import lockstep.monitor.state.Bytes;

/** A bounded first-in first-out queue of bytes that never allocates after construction. */
final class ByteRing {
  private final byte[] content;
  private int head;
  private int size;

  ByteRing(int capacityBytes) {
    content = new byte[capacityBytes];
  }

  int size() {
    return size;
  }

  boolean isEmpty() {
    return size == 0;
  }

  boolean isFull() {
    return size == content.length;
  }

  /** Adds a byte; the caller has checked {@link #isFull}. */
  void add(int value) {
    int tail = head + size;
    content[tail < content.length ? tail : tail - content.length] = (byte) value;
    size++;
  }

  /** Takes the oldest byte (0..255); the caller has checked {@link #isEmpty}. */
  int take() {
    int value = content[head] & 0xff;
    head = head + 1 == content.length ? 0 : head + 1;
    size--;
    return value;
  }

  void clear() {
    head = 0;
    size = 0;
  }

  Bytes save() {
    byte[] copy = new byte[size];
    for (int i = 0; i < size; i++) {
      copy[i] = content[(head + i) % content.length];
    }
    return Bytes.copyOf(copy);
  }

  /** Takes over what {@link #save} gave. */
  void restore(Bytes saved) {
    clear();
    for (int i = 0; i < saved.size(); i++) {
      add(saved.at(i));
    }
  }
}
