package lockstep.monitor.state;

import java.io.ByteArrayOutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * Turns State records into bytes and back: components in their order, little-endian, lengths as 4
 * bytes. There is no version here; whoever stores the bytes says which they are. Not for the exit
 * path: it reflects and allocates.
 */
public final class StateCodec {
  /** The longest {@link Bytes} or list: above any device's, far below a heap. */
  public static final int MAX_LENGTH = 1 << 24;

  private static final int MAX_DEPTH = 16;

  private StateCodec() {}

  /**
   * The bytes of a state; equal states give equal bytes.
   *
   * @throws IllegalArgumentException when the record has a component of an unknown type
   */
  public static byte[] encode(DeviceState state) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    writeRecord(out, state, 0);
    return out.toByteArray();
  }

  private static void writeRecord(ByteArrayOutputStream out, Object state, int depth) {
    Class<?> type = state.getClass();
    checkRecord(type, type.getSimpleName(), depth);
    for (RecordComponent component : type.getRecordComponents()) {
      String where = type.getSimpleName() + "." + component.getName();
      writeValue(out, valueOf(component, state, where), where, depth);
    }
  }

  private static void writeValue(ByteArrayOutputStream out, Object value, String where, int depth) {
    switch (value) {
      case Boolean flag -> out.write(flag ? 1 : 0);
      case Integer number -> writeNumber(out, number, Integer.BYTES);
      case Long number -> writeNumber(out, number, Long.BYTES);
      case WireEnum constant -> writeNumber(out, constant.wire(), Integer.BYTES);
      case Bytes bytes -> {
        writeLength(out, bytes.size(), where);
        out.writeBytes(bytes.toArray());
      }
      case List<?> list -> {
        writeLength(out, list.size(), where);
        list.forEach(element -> writeRecord(out, element, depth + 1));
      }
      case DeviceState nested -> writeRecord(out, nested, depth + 1);
      default -> throw unknownType(where, value.getClass());
    }
  }

  private static void writeLength(ByteArrayOutputStream out, int length, String where) {
    if (length > MAX_LENGTH) {
      throw new IllegalArgumentException(where + ": length " + length + " above " + MAX_LENGTH);
    }
    writeNumber(out, length, Integer.BYTES);
  }

  private static void writeNumber(ByteArrayOutputStream out, long value, int sizeBytes) {
    for (int i = 0; i < sizeBytes; i++) {
      out.write((int) (value >>> (8 * i)));
    }
  }

  private static Object valueOf(RecordComponent component, Object state, String where) {
    try {
      component.getAccessor().setAccessible(true);
      return component.getAccessor().invoke(state);
    } catch (ReflectiveOperationException e) {
      throw new IllegalArgumentException(where + ": cannot be read", e);
    }
  }

  /**
   * The state whose bytes these are.
   *
   * @throws IllegalArgumentException saying what is wrong and where, when they are no such bytes
   */
  public static <S extends DeviceState> S decode(Class<S> type, byte[] encoded) {
    ByteBuffer in = ByteBuffer.wrap(encoded).order(ByteOrder.LITTLE_ENDIAN);
    Object state = readRecord(in, type, type.getSimpleName(), 0);
    if (in.hasRemaining()) {
      throw new IllegalArgumentException(
          type.getSimpleName() + ": " + in.remaining() + " bytes too many");
    }
    return type.cast(state);
  }

  private static Object readRecord(ByteBuffer in, Class<?> type, String where, int depth) {
    checkRecord(type, where, depth);
    RecordComponent[] components = type.getRecordComponents();
    Class<?>[] types = new Class<?>[components.length];
    Object[] values = new Object[components.length];
    for (int i = 0; i < components.length; i++) {
      types[i] = components[i].getType();
      values[i] = readValue(in, components[i], where + "." + components[i].getName(), depth);
    }
    try {
      var constructor = type.getDeclaredConstructor(types);
      constructor.setAccessible(true);
      return constructor.newInstance(values);
    } catch (InvocationTargetException e) {
      // The record checks its own ranges.
      throw new IllegalArgumentException(where + ": " + e.getTargetException().getMessage(), e);
    } catch (ReflectiveOperationException e) {
      throw new IllegalArgumentException(where + ": cannot be built", e);
    }
  }

  private static Object readValue(
      ByteBuffer in, RecordComponent component, String where, int depth) {
    Class<?> type = component.getType();
    int at = in.position();
    if (type == boolean.class) {
      byte value = need(in, 1, where).get();
      if ((value & ~1) != 0) {
        throw new IllegalArgumentException(
            where + " at byte " + at + ": " + value + " for boolean");
      }
      return value == 1;
    }
    if (type == int.class) {
      return need(in, Integer.BYTES, where).getInt();
    }
    if (type == long.class) {
      return need(in, Long.BYTES, where).getLong();
    }
    if (type == Bytes.class) {
      byte[] content = new byte[readLength(in, where)];
      in.get(content);
      return Bytes.copyOf(content);
    }
    if (type == List.class) {
      // Every element takes at least a byte, or a length could ask for any number of objects.
      int count = readLength(in, where);
      List<Object> list = new ArrayList<>();
      Class<?> element = elementType(component, where);
      for (int i = 0; i < count; i++) {
        list.add(readRecord(in, element, where + "[" + i + "]", depth + 1));
      }
      return List.copyOf(list);
    }
    if (WireEnum.class.isAssignableFrom(type) && type.isEnum()) {
      int wire = need(in, Integer.BYTES, where).getInt();
      for (Object constant : type.getEnumConstants()) {
        if (((WireEnum) constant).wire() == wire) {
          return constant;
        }
      }
      throw new IllegalArgumentException(where + " at byte " + at + ": no constant " + wire);
    }
    return readRecord(in, type, where, depth + 1);
  }

  private static int readLength(ByteBuffer in, String where) {
    int at = in.position();
    int length = need(in, Integer.BYTES, where).getInt();
    if (length < 0 || length > MAX_LENGTH || length > in.remaining()) {
      throw new IllegalArgumentException(
          where + " at byte " + at + ": length " + length + ", with " + in.remaining() + " left");
    }
    return length;
  }

  private static ByteBuffer need(ByteBuffer in, int sizeBytes, String where) {
    if (in.remaining() < sizeBytes) {
      throw new IllegalArgumentException(where + " at byte " + in.position() + ": bytes end");
    }
    return in;
  }

  private static Class<?> elementType(RecordComponent component, String where) {
    if (component.getGenericType() instanceof ParameterizedType list
        && list.getActualTypeArguments()[0] instanceof Class<?> element
        && element.isRecord()
        && element.getRecordComponents().length > 0) {
      return element;
    }
    throw unknownType(where, component.getType());
  }

  private static void checkRecord(Class<?> type, String where, int depth) {
    if (!type.isRecord() || !DeviceState.class.isAssignableFrom(type)) {
      throw unknownType(where, type);
    }
    if (depth > MAX_DEPTH) {
      throw new IllegalArgumentException(where + ": nested more than " + MAX_DEPTH + " deep");
    }
  }

  private static IllegalArgumentException unknownType(String where, Class<?> type) {
    return new IllegalArgumentException(where + ": no State type: " + type.getName());
  }
}
