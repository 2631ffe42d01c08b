package kitchen;

import java.util.List;

public class Kettle implements Heater {
    private int degrees;

    public Kettle(int degrees) {
        this.degrees = degrees;
    }

    @Override
    public boolean boils() {
        return degrees >= 100;
    }

    enum State { COLD, HOT }
}

interface Heater {
    boolean boils();
}
