package lockstep.headers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The audit checks {@code x$offset()}; this checks that getters and setters use that place. */
class AccessorTest {
  private static final Map<Class<?>, Object> ALL_ONES =
      Map.of(byte.class, (byte) -1, short.class, (short) -1, int.class, -1, long.class, -1L);

  private int checked;

  @Test
  void anAccessorThatTouchesOtherBytesThanItsMembersIsNamed() throws Exception {
    List<String> wrong = new ArrayList<>();
    for (SymbolList list : Uapi.lists()) {
      for (SymbolList.Symbol type : list.types()) {
        check(Uapi.load(type.name()), wrong);
      }
    }
    assertEquals(List.of(), wrong);
    assertTrue(checked > 400, "only " + checked + " members checked");
  }

  @Test
  void plantedSetterOfTheNeighbourIsNamed() throws Exception {
    List<String> wrong = new ArrayList<>();
    check(PlantedSetter.class, wrong);
    assertEquals(List.of(PlantedSetter.class.getName() + ".limit"), wrong);
  }

  private void check(Class<?> type, List<String> wrong) throws Exception {
    for (Class<?> nested : type.getDeclaredClasses()) {
      if (!nested.getSimpleName().startsWith("$")) {
        check(nested, wrong);
      }
    }
    for (Method offset : type.getDeclaredMethods()) {
      if (offset.getName().endsWith("$offset")) {
        String member = offset.getName().replace("$offset", "");
        MemoryLayout layout = (MemoryLayout) type.getMethod(member + "$layout").invoke(null);
        if (!roundTrips(type, member, (long) offset.invoke(null), layout)) {
          wrong.add(type.getName() + "." + member);
        }
        checked++;
      }
    }
  }

  private static boolean roundTrips(Class<?> type, String member, long offset, MemoryLayout layout)
      throws Exception {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment struct =
          (MemorySegment) type.getMethod("allocate", SegmentAllocator.class).invoke(null, arena);
      Class<?> carrier =
          layout instanceof ValueLayout value ? value.carrier() : MemorySegment.class;
      Method getter = type.getMethod(member, MemorySegment.class);
      Method setter = type.getMethod(member, MemorySegment.class, carrier);
      MemorySegment ones = arena.allocate(layout.byteSize()).fill((byte) -1);
      Object value =
          layout instanceof AddressLayout
              ? MemorySegment.ofAddress(-1)
              : ALL_ONES.getOrDefault(carrier, ones);
      setter.invoke(null, struct, value);
      MemorySegment expected = arena.allocate(struct.byteSize());
      expected.asSlice(offset, layout.byteSize()).fill((byte) -1);
      Object read = getter.invoke(null, struct);
      boolean same =
          layout instanceof ValueLayout
              ? value.equals(read)
              : read instanceof MemorySegment slice && sameBytes(slice, struct, offset, layout);
      return same && expected.mismatch(struct) == -1;
    }
  }

  private static boolean sameBytes(
      MemorySegment slice, MemorySegment struct, long offset, MemoryLayout layout) {
    return slice.address() - struct.address() == offset && slice.byteSize() == layout.byteSize();
  }

  /** {@code limit} lies at 8; its setter writes to 0. */
  public static final class PlantedSetter {
    private PlantedSetter() {}

    public static MemorySegment allocate(SegmentAllocator allocator) {
      return allocator.allocate(16, 8);
    }

    public static MemoryLayout limit$layout() {
      return ValueLayout.JAVA_SHORT;
    }

    public static long limit$offset() {
      return 8;
    }

    public static short limit(MemorySegment struct) {
      return struct.get(ValueLayout.JAVA_SHORT, 8);
    }

    public static void limit(MemorySegment struct, short value) {
      struct.set(ValueLayout.JAVA_SHORT, 0, value);
    }
  }
}
