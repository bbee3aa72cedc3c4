<?php echo "Any password?";
